"""Files that are named on the command line and replaced."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from drorch.cli.named_files import replace_file
from drorch.errors import UsageInvalid


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        replace_file(tmp_path / "measured.prom", content)
        assert (tmp_path / "measured.prom").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["measured.prom"]


def test_what_is_no_file_is_written_into_and_stays(tmp_path: Path) -> None:
    """As root ``--to /dev/null`` would otherwise leave a file in the place of the device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    replace_file(pipe, b"measured")
    reader.join(60)
    assert read == [b"measured"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageInvalid, match="cannot be written"):
        replace_file(tmp_path / "missing" / "measured.prom", b"")
    with pytest.raises(UsageInvalid, match="cannot be written"):
        replace_file(tmp_path, b"")
