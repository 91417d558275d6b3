"""What is compiled when drorch is installed: there whole, or not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from drorch.native.rows import _load
from tools.compile_native import SOURCE, compiled

ROOT = Path(__file__).resolve().parents[2]


def test_the_library_is_compiled_and_can_be_loaded(tmp_path: Path) -> None:
    assert compiled(ROOT / SOURCE, tmp_path / "librows.so.1")
    assert _load(tmp_path / "librows.so.1") is not None
    assert [path.name for path in tmp_path.iterdir()] == ["librows.so.1"]


@pytest.mark.parametrize("lacking", ["a compiler", "a source that compiles", "a compiler that starts"])
def test_without_it_an_old_library_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    library, source = tmp_path / "librows.so.1", tmp_path / "rows.c"
    library.write_bytes(b"of another version")
    shutil.copy(ROOT / SOURCE, source)
    if lacking == "a compiler":
        monkeypatch.setenv("CC", "no-such-compiler")
    elif lacking == "a source that compiles":
        source.write_text("this is not C")
    else:
        broken = tmp_path / "broken"
        broken.write_bytes(b"\x7fELF")
        broken.chmod(0o755)
        monkeypatch.setenv("CC", str(broken))
    assert not compiled(source, library)
    assert not library.exists()


def test_a_library_that_cannot_be_used_is_no_library(tmp_path: Path) -> None:
    assert _load(tmp_path / "absent.so") is None
    (tmp_path / "damaged.so").write_bytes(b"\x7fELF damaged")
    assert _load(tmp_path / "damaged.so") is None
