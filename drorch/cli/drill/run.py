"""``drorch drill run``: the auditor's way."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from drorch.cli.drill.beside import at_once_option, notify_option, paper_option
from drorch.cli.drill.carrying_out import DrillDesk, answer, names_of_killed
from drorch.cli.drill.key_in_hand import KeyInHand
from drorch.cli.drill.one_drill import Order
from drorch.cli.drill.stamping import stamp_drills
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.private_keys import key_options
from drorch.cli.watch.looking import Ended, told_afterwards
from drorch.clock import from_milliseconds
from drorch.environment import process_environment
from drorch.errors import DrorchError, PolicyUnknown
from drorch.evidence.drill_report import BY_HAND, SCHEDULE
from drorch.policy.assembly import LoadedPolicies
from drorch.policy.restore_tests.loading import LoadedTests
from drorch.policy.restore_tests.model import RestoreTest, plain_test
from drorch.settings import load_policies, load_restore_tests, load_settings


def _complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        settings = load_settings(context.params.get("config"), process_environment())
        tests = load_restore_tests(settings, load_policies(settings)).tests
    except DrorchError:
        return []
    return [CompletionItem(test.name) for test in tests if test.name.startswith(incomplete)]


@click.command(
    epilog="Example: drorch drill run lamdong-land --operator operator1 --verifier verifier1",
    short_help="Drill now: restore, prove, measure.",
)
@click.argument("name", metavar="TEST|POLICY[/NAME]", shell_complete=_complete)
@click.option("--operator", metavar="PERSON", help="Who drills, by the name in `people:`.")
@click.option("--verifier", metavar="PERSON", help="Who verifies; another person.")
@click.option("--snapshot", metavar="ID|latest|random", help="This snapshot instead of what the test says.")
@click.option("--store", metavar="NAME", help="Read from this store instead of what the test says.")
@click.option(
    "--share",
    "share_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The words of one custodian's share, instead of a key (repeatable).",
)
@click.option("--slot", type=int, hidden=True, help="The occurrence that the daemon runs: milliseconds since 1970.")
@at_once_option
@paper_option
@notify_option
@key_options
@common_options
def command(
    name: str,
    operator: str | None,
    verifier: str | None,
    snapshot: str | None,
    store: str | None,
    slot: int | None,
    share_files: tuple[Path, ...],
    at_once: int | None,
    no_paper: bool,
    notify: bool,
    key_path: Path | None,
    passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Restore into a throw-away place, compare everything with the backup, measure, and keep the evidence.

    NAME is a restore test; a policy or source without one is drilled by every standard check. It ends with 0 only if every check ran and passed
    and the objectives were met; 50 failed, 51 objective missed, 52 inconclusive. Production is not touched.
    """
    settings = invocation.settings()
    settings.require_role("drill", "drill")
    words = f"drorch drill run {name}"
    with told_afterwards(invocation, settings, words, [name]) if notify else nullcontext(Ended()) as ended:
        policies = load_policies(settings)
        tests = load_restore_tests(settings, policies)
        test = _test(name, policies, tests)
        order = Order(
            test=test if store is None else replace(test, store=store),
            operator=operator,
            verifier=verifier,
            snapshot=snapshot,
            trigger=BY_HAND if slot is None else SCHEDULE,
            slot=None if slot is None else from_milliseconds(slot),
        )
        with invocation.wiring(settings) as wiring:
            key = KeyInHand(wiring, key_path, passphrase_file, share_files)
            desk = DrillDesk(wiring, policies, tests, invocation.output, key, at_once, on_paper=not no_paper)
            for line in names_of_killed(desk.tell_killed()):
                invocation.output.message(line)
            drilled = desk.carry_out(order)
            stamp_drills(wiring, invocation.output, drilled, desk.papers)
            ended.code = answer(invocation.output, "drorch.drill-run/1", drilled, desk.papers)
    return ended.code


def _test(name: str, policies: LoadedPolicies, tests: LoadedTests) -> RestoreTest:
    """Return the test of that name; of a source that has none, the plain one. One that cannot be read is told with its problems."""
    try:
        return tests.find(name)
    except PolicyUnknown:
        tests.require()
        try:
            policies.find(name)
        except PolicyUnknown as error:
            error.message = f"there is no restore test, policy or source {name}"
            raise
        return plain_test(name)
