import pytest

from drorch.policy.literals import why_literal_secret, why_secret_argument


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:pw@h/d",
        "https://:pw@h",
        "s3://key:secret@bucket",
        "see postgresql://u:pw@h/d there",
        "https://h/hook?token=abc",
        "postgresql:///d?password=abc",
        "u:pw@h",
    ],
)
def test_a_password_in_an_address_is_found_and_not_shown(text: str):
    reason = why_literal_secret(text)
    assert reason
    assert "pw" not in reason.replace("password", "")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u@h/d",
        "https://h:8333/path",
        "db1.example",
        "host:/data/acc.fdb",
        "[::1]",
        "an@example.org",
        "select 1",
        "12:30",
    ],
)
def test_what_is_no_password(text: str):
    assert why_literal_secret(text) == ""


@pytest.mark.parametrize(
    ("arguments", "position"),
    [
        (["isql", "-password", "masterkey"], 2),
        (["gbak", "-b", "-pas", "masterkey"], 3),
        (["dump", "--password=x"], 1),
        (["sqlcmd", "-S", "h", "-P", "secret"], 4),
        (["/usr/bin/mysqldump", "-psecret", "db"], 1),
        (["sqlplus", "scott/tiger@orcl"], 1),
        (["x", "Server=h;Password=abc;"], 1),
        (["x", "Server=h; Pwd = abc"], 1),
        (["env", "PGPASSWORD=abc", "pg_dump"], 1),
    ],
)
def test_a_password_among_arguments_is_found(arguments: list[str], position: int):
    found = why_secret_argument(arguments)
    assert found is not None
    assert found[0] == position
    assert arguments[position] not in found[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["gbak", "-b", "-g", "localhost:/srv/kttc.fdb", "stdout"],
        ["mysqldump", "-P3306", "-p", "db"],
        ["rsync", "-P", "a"],
        ["tar", "-p", "-cf", "-", "/srv/a@b"],
        ["/usr/local/sbin/dump", "scott"],
        [],
    ],
)
def test_arguments_without_a_password(arguments: list[str]):
    assert why_secret_argument(arguments) is None
