"""What every test can rely on: a clean environment, unit tests first, no silent skips."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Fixtures shared by several folders live in tests/support/; one line each.
pytest_plugins: list[str] = [
    "tests.support.supervision",
    "tests.support.seaweedfs",
    "tests.support.catalogs",
    "tests.support.postgresql",
    "tests.support.mariadb",
    "tests.support.installations",
    "tests.support.desk",
    "tests.support.listener",
    "tests.support.watched",
]

# A setting of the developer's machine must neither help nor hurt a test, nor may a test reach a real account.
FOREIGN_PREFIXES = ("DRORCH_", "AWS_", "PG")
FOREIGN_SUFFIXES = ("_proxy", "_PROXY")

# The first words of the reasons for which a test may be skipped although CI runs it.
ALLOWED_SKIPS = ("needs ../shared",)

# Quick folders first: a broken unit is told before a server is started.
FOLDERS = ("unit", "property", "contract", "faults", "acceptance")

# Files that take about a minute go first in their folder: one that begins last keeps a single process busy at the end.
LONG_FILES = (
    "test_files",
    "test_prune",
    "test_drills",
    "test_fan_out",
    "test_demo",
    "test_demo_province",
    "test_interruption",
)

# A shell that starts the tests in the background has them ignore Ctrl-C and Ctrl-\, and with them every program that they start:
# what they interrupt, and servers of PostgreSQL, whose backends are told by SIGQUIT to go.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

for name in list(os.environ):
    if name.startswith(FOREIGN_PREFIXES) or name.endswith(FOREIGN_SUFFIXES):
        del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# A busy machine is no failure: neither a slow example, nor slow drawing of one.
settings.register_profile("drorch", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("drorch")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also what is too big for CI")
    parser.addoption("--matrix", action="store_true", help="also every supported server version")
    parser.addoption("--fail-on-skip", action="store_true", help="a skipped test fails the run, unless it is allowed")


@pytest.hookimpl(trylast=True)  # after the shuffle of pytest-randomly
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {mark for mark in ("slow", "matrix") if not config.getoption(mark)}
    chosen = [item for item in items if not left_out & {mark.name for mark in item.iter_markers()}]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = sorted(chosen, key=folder_rank)


def folder_rank(item: pytest.Item) -> tuple[int, bool]:
    folder = item.nodeid.split("/")[1]
    return FOLDERS.index(folder) if folder in FOLDERS else 0, item.path.stem not in LONG_FILES


def forbidden_skips(config: pytest.Config) -> Iterator[str]:
    """Yield a line for each skipped test whose reason is not an allowed one."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not config.getoption("fail_on_skip"):
        return
    for report in reporter.stats.get("skipped", []):
        _path, _line, reason = report.longrepr
        reason = reason.removeprefix("Skipped: ")
        if not reason.startswith(ALLOWED_SKIPS):
            yield f"{report.nodeid}: {reason}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in forbidden_skips(config):
        terminalreporter.write_line(f"SKIPPED, which is a failure here: {line}", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and any(forbidden_skips(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
