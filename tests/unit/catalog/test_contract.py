import pytest

from drorch.catalog.contract.history import RunOutcome, RunState
from drorch.errors import Bug, Interrupted, SourceLoginFailed, Terminated
from tests.support.catalogs import START


def test_only_a_running_run_changes_and_never_back() -> None:
    allowed = {(old, new) for old in RunState for new in RunState if old.may_become(new)}
    assert allowed == {(RunState.RUNNING, new) for new in RunState if new is not RunState.RUNNING}


def test_an_outcome_cannot_be_running() -> None:
    with pytest.raises(Bug):
        RunOutcome(state=RunState.RUNNING, ended_at=START)


def test_an_error_becomes_the_outcome_of_a_failed_run() -> None:
    error = SourceLoginFailed("the database rejected the password", found="1045", hint="drorch policy grants")
    outcome = RunOutcome.of_error(error, ended_at=START, bytes_read=7)
    assert outcome == RunOutcome(
        state=RunState.FAILED,
        ended_at=START,
        bytes_read=7,
        error_slug="source-login",
        error_code=21,
        error_message="the database rejected the password",
        hint="drorch policy grants",
    )


@pytest.mark.parametrize("error", [Interrupted("Ctrl-C"), Terminated("SIGTERM")])
def test_a_signal_interrupts_a_run(error: Interrupted | Terminated) -> None:
    outcome = RunOutcome.of_error(error, ended_at=START)
    assert (outcome.state, outcome.error_code, outcome.hint) == (RunState.INTERRUPTED, error.exit_code, None)
