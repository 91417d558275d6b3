"""What stands in a unit file is read by systemd, which parts words at spaces and expands some of them."""

from __future__ import annotations

import pytest

from drorch.daemon.unit_files import UNIT, unit_files


@pytest.mark.parametrize(
    ("path", "settings", "store"),
    [
        ("/srv/kho", "/srv/kho", "-/srv/kho"),
        ("/srv/kho ảnh", '"/srv/kho ảnh"', '"-/srv/kho ảnh"'),
        ("/srv/100%/$x", "/srv/100%%/$$x", "-/srv/100%%/$x"),
        ('/srv/"a\\b', '"/srv/\\"a\\\\b"', '"-/srv/\\"a\\\\b"'),
    ],
)
def test_a_path_stays_one_word_as_it_is(path: str, settings: str, store: str) -> None:
    unit = unit_files(
        program="/usr/bin/drorch",
        settings=path,
        account="drorch",
        credentials={},
        reads_all_files=False,
        stores=(path,),
    )[UNIT]
    assert f"ExecStart=/usr/bin/drorch daemon --config {settings} --drain 60\n" in unit
    assert f"ReadWritePaths=-/var/tmp/drorch {store}\n" in unit
