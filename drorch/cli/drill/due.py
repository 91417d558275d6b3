"""``drorch drill due``: what the schedules ask for, from cron until the daemon runs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from drorch.cli.drill.beside import at_once_option, notify_option, paper_option
from drorch.cli.drill.carrying_out import DrillDesk, answer, names_of_killed
from drorch.cli.drill.key_in_hand import KeyInHand
from drorch.cli.drill.one_drill import Order
from drorch.cli.drill.stamping import stamp_drills
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import local_time
from drorch.cli.private_keys import key_options
from drorch.cli.watch.looking import Ended, told_afterwards
from drorch.errors import DrorchError
from drorch.evidence.drill_report import SCHEDULE
from drorch.operations.drills.due import due_tests
from drorch.operations.drills.session import Drilled
from drorch.settings import Settings, load_policies, load_restore_tests


@click.command(epilog="Example: drorch drill due --plan", short_help="Drill what the schedules ask for.")
@click.option("--plan", "only_plan", is_flag=True, help="Only say what is due.")
@at_once_option
@paper_option
@notify_option
@key_options
@common_options
def command(
    only_plan: bool,
    at_once: int | None,
    no_paper: bool,
    notify: bool,
    key_path: Path | None,
    passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Drill what the schedules of the restore tests ask for; nothing due is success.

    An occurrence is drilled once. One that nobody drilled is made up for within 31 days, the newest of each test.
    """
    settings = invocation.settings()
    settings.require_role("drill", "drill")
    key_files = key_path, passphrase_file
    with told_afterwards(invocation, settings, "drorch drill due", ()) if notify else nullcontext(Ended()) as ended:
        ended.code = _due(invocation, settings, key_files, only_plan=only_plan, at_once=at_once, on_paper=not no_paper)
    return ended.code


def _due(
    invocation: Invocation,
    settings: Settings,
    key_files: tuple[Path | None, Path | None],
    *,
    only_plan: bool,
    at_once: int | None,
    on_paper: bool,
) -> int:
    policies = load_policies(settings)
    tests = load_restore_tests(settings, policies)
    tests.require()
    output = invocation.output
    with invocation.wiring(settings) as wiring:
        by_name = {policy.name: policy for policy in policies.policies}
        due = due_tests(tests.tests, by_name, wiring.catalog(), wiring.clock.now())
        zone = str(settings.time_zone)
        listed = [{"test": one.test.name, "slot": one.slot, "done": list(one.done)} for one in due]
        if only_plan:
            if output.as_json:
                output.document("drorch.drill-due/1", {"ok": True, "exit_code": 0, "due": listed, "drills": []})
            else:
                lines = [f"{one.test.name}  due since {local_time(one.slot, zone)[:16]}" for one in due]
                output.lines(lines or ["Nothing is due."])
            return 0
        if not due and not output.as_json:
            stamp_drills(wiring, output, (), {})
            if not output.quiet:
                output.message("Nothing is due.")
            return 0
        desk = DrillDesk(wiring, policies, tests, output, KeyInHand(wiring, *key_files), at_once, on_paper=on_paper)
        for line in names_of_killed(desk.tell_killed()):
            output.message(line)
        drilled: list[Drilled] = []
        failure: DrorchError | None = None
        for one in due:
            try:
                drilled += desk.carry_out(Order(test=one.test, trigger=SCHEDULE, slot=one.slot, done=one.done))
            except DrorchError as error:  # the others are due all the same
                failure = failure or error
                output.message(f"{one.test.name}: {error.message}")
        stamp_drills(wiring, output, drilled, desk.papers)
        if failure is not None:
            raise failure
        return answer(output, "drorch.drill-due/1", drilled, desk.papers, due=listed)
