"""The ``drorch`` command: finds the subcommand, and turns every error into words and an exit code.

Subcommands are imported only when they are called, so that ``drorch --help`` stays quick.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import click

from drorch import __version__
from drorch.cli.output import Output
from drorch.errors import Bug, DrorchError, Interrupted, OutputLost, Terminated, UsageInvalid

# A row is an object to the collector, and a backup sees millions: at Python's own threshold of 700 it takes a tenth of the time.
GARBAGE_THRESHOLD = (100_000, 20, 20)

# command -> module and one line of help; the order is that of a first week with drorch
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo.command", "See the main job done here, with throw-away databases."),
    "init": ("init", "Make drorch.yaml, keys and a repository."),
    "doctor": ("doctor", "Try what a backup will need, and say what is missing."),
    "policy": ("policy", "Write and check policy files."),
    "backup": ("backup", "Back up now."),
    "status": ("status.command", "Show what is protected, what is late and what needs you."),
    "coverage": ("watch.coverage", "Say whether every system of the register is protected."),
    "report": ("watch.report", "Write a month on one page, signed."),
    "metrics": ("watch.metrics", "Show how everything stands, for Prometheus."),
    "notify": ("watch.notify", "Tell people what is wrong, and try whether they hear it."),
    "source": ("source", "See and change whose a source is, and end it."),
    "history": ("history", "Show what ran and how it ended."),
    "snapshots": ("snapshots", "List what can be restored."),
    "restore": ("restore", "Restore a snapshot, or one table of it."),
    "drill": ("drill", "Prove by restore drills that it comes back."),
    "verify": ("verify", "Check that the stores hold what they must."),
    "copy": ("copy", "Bring a store up that was away."),
    "prune": ("prune", "Let go what the policies no longer keep."),
    "pin": ("pin", "Keep a snapshot, whatever the policy says."),
    "hold": ("hold", "Keep a snapshot for a court or an audit."),
    "evidence": ("evidence", "Check and hand over what drills proved."),
    "courier": ("courier", "Carry snapshots on a disk to where no line goes."),
    "lock": ("lock", "Extend the locks of what must stay."),
    "store": ("store", "Try a store, and print the policies of its bucket."),
    "keys": ("keys", "Make keys, and say who may read and write."),
    "recovery-sheet": ("recovery_sheet", "Print the page that goes into the safe."),
    "daemon": ("daemon", "Keep the schedules of all policies."),
    "service": ("service", "Have systemd run the daemon."),
    "catalog": ("catalog", "Rebuild or upgrade the catalog."),
    "completion": ("completion", "Make a shell complete what you type."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, and lists all of them without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of ``COMMANDS``."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand; a click command named ``command`` stands in each module."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"drorch.cli.{COMMANDS[cmd_name][0]}")
        gc.freeze()  # modules stay until the end: looking through all of them for garbage took a tenth of a short command
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; an unknown one is answered with those that look like it."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Start with `drorch demo`, then `drorch init DIR`. Exit codes: docs/ERRORS.md",
)
@click.version_option(__version__, prog_name="drorch", message="%(prog)s %(version)s")
def root() -> None:
    """Back up legacy databases by policy, and prove that they can be restored."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of docs/ERRORS.md."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    os.umask(0o077)
    if arguments is None:  # a process of its own
        _leave_no_core()
    gc.set_threshold(*GARBAGE_THRESHOLD)
    signal.signal(signal.SIGTERM, _on_terminate)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["daemon"]:  # until it hears it: what it is to read again it has not read yet
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        code = _run(given)
    except (KeyboardInterrupt, _TerminationSignal) as late:  # it came while another error was being told
        code = Terminated.exit_code if isinstance(late, _TerminationSignal) else Interrupted.exit_code
    if arguments is None:  # a process of its own, and it is over: what was told stands, whatever signal still comes
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if code in (Interrupted.exit_code, Terminated.exit_code) or threading.active_count() == 1:
            _leave_at_once(code)
    _leave(code)


def _leave_no_core() -> None:
    """See to it that a crash of this process, or of a program that it starts, writes no memory to a disk: secrets are in it.

    One byte: files smaller than a page are not written, and it is the limit at which the kernel starts no program that collects
    cores either; at 0 it would.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


class _TerminationSignal(SystemExit):
    """SIGTERM. No ``Exception``: libraries that turn those into their own, and retries, must let it pass."""


def _run(arguments: list[str]) -> int:
    output = Output(as_json="--json" in arguments)
    try:
        result = root.main(args=arguments, prog_name="drorch", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return UsageInvalid.exit_code
    except click.UsageError as error:
        output.error(_in_our_words(error))
        return UsageInvalid.exit_code
    except (click.Abort, KeyboardInterrupt):
        output.error(Interrupted("interrupted", still_good="Every snapshot that was there is still there."))
        return Interrupted.exit_code
    except _TerminationSignal:
        output.error(Terminated("terminated", still_good="Every snapshot that was there is still there."))
        return Terminated.exit_code
    except BrokenPipeError:
        return _reader_left()
    except DrorchError as error:
        output.error(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - told in our words, whatever it is
        return _tell_fault(error, output)
    return result if isinstance(result, int) else 0


def _tell_fault(error: Exception, output: Output) -> int:
    """Tell what none of our errors says: stdout leads where nothing can be written, or drorch is wrong."""
    if isinstance(error, OSError) and _is_of_stdout(error):
        output.go_on_unheard()
        output.error(OutputLost(f"the answer could not be written: {error.strerror}"))
        return OutputLost.exit_code
    from drorch.environment import wants_traceback

    if wants_traceback():
        raise error
    output.error(Bug(f"{type(error).__name__} in {_place_of(error)}"))
    return Bug.exit_code


def _in_our_words(error: click.UsageError) -> UsageInvalid:
    """Return click's complaint as ours: one clause in lower case, and where the right form is shown."""
    message = re.sub(r"\. \(?(Did.*?\?)\)?$", r"; \1", error.format_message()).replace("; Did", "; did").rstrip(".")
    hint = f"`{error.ctx.command_path} --help` shows what it takes" if error.ctx else ""
    return UsageInvalid(message[:1].lower() + message[1:], hint=hint)


def _place_of(error: BaseException) -> str:
    """Return module and line of the innermost frame of ours; the error's own text could hold a secret."""
    place = "unknown place"
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("drorch"):
            place = f"{name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _on_terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminationSignal(Terminated.exit_code)


def _reader_left() -> int:
    """``drorch snapshots | head``: the reader has what it wanted; end silently."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - replaces a stream until the exit
    return 0


def _is_of_stdout(error: OSError) -> bool:
    """Whether it came when click wrote a page, or comes again for what is still to be written."""
    try:
        sys.stdout.flush()
    except OSError:
        return True
    *_, innermost = (frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__))
    return innermost == click.utils.__name__


def _leave_at_once(code: int) -> NoReturn:
    """End without waiting for threads: one may be in the midst of a request to a store that does not answer.

    Everything that holds files, children or sessions was closed on the way here, and nothing of ours waits for the exit of the
    interpreter, which takes modules apart for as long as some commands work.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _leave(code: int) -> NoReturn:
    # The interpreter, as it ends, looks for cycles in all that was ever loaded: a quarter of a second of every command.
    gc.freeze()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _reader_left()
    sys.exit(code)
