from pathlib import Path

import pytest

from drorch.errors import SourceMissing, SourceUnsupported, UsageInvalid
from drorch.sources.sqlite.database_file import connect_read_only, identifier, parse_location, read_header


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("sqlite:///var/lib/phuquy/registry.db", "/var/lib/phuquy/registry.db"),
        ("sqlite:////var/lib/registry.db", "/var/lib/registry.db"),
        ("sqlite:///srv/sổ đỏ.db", "/srv/sổ đỏ.db"),
        ("sqlite:///srv/100%25%23%3F.db", "/srv/100%#?.db"),
        ("sqlite:///srv/two\nlines", "/srv/two\nlines"),
    ],
)
def test_a_location_names_an_absolute_path(location, path):
    assert parse_location(location) == Path(path)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/file.db",
        "sqlite:///a?mode=rw",
        "sqlite:///a#b",
        "/a.db",
        "postgresql:///a",
        "sqlite:///a%00b",
    ],
)
def test_anything_else_is_refused(location):
    with pytest.raises(UsageInvalid, match="not the location of a SQLite file"):
        parse_location(location)


def test_a_directory_a_text_file_and_a_short_file_are_told_apart(tmp_path):
    (tmp_path / "text").write_text("SQLite format 2 " * 20)
    (tmp_path / "short").write_bytes(b"SQLite format 3\x00")
    (tmp_path / "empty").touch()
    with pytest.raises(SourceMissing):
        read_header(tmp_path)
    for name in ("text", "short"):
        with pytest.raises(SourceUnsupported):
            read_header(tmp_path / name)
    assert read_header(tmp_path / "empty").is_empty


def test_a_connection_cannot_write_and_reaches_any_path(tmp_path):
    path = tmp_path / "100% sổ?#&.db"
    path.touch()
    connection = connect_read_only(path, busy_timeout_seconds=1)
    with pytest.raises(Exception, match="readonly"):
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_identifier_is_quoted():
    assert identifier('a"b') == '"a""b"'
