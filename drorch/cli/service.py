"""``drorch service``: have systemd run the daemon."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from drorch.cli.invocation import Invocation, common_options
from drorch.daemon.unit_files import unit_files
from drorch.errors import UsageInvalid
from drorch.policy.installation import DirectoryStore
from drorch.policy.model import FilesSource
from drorch.quantities import counted
from drorch.settings import SYSTEM_FILE, Settings, load_policies

NEXT = "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload && systemctl enable --now drorch"


@click.group(epilog="Example: drorch service install")
def command() -> None:
    """Have systemd run the daemon, with few rights."""


@command.command(epilog="Example: drorch service install --account drorch")
@click.option("--account", default="drorch", show_default=True, metavar="NAME", help="The account that runs it.")
@click.option(
    "--credential",
    "credentials",
    multiple=True,
    metavar="NAME=FILE",
    help="A secret that systemd hands over: `credential:NAME` in drorch.yaml.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    show_default=True,
    help="Write below this directory.",
)
@common_options
def install(account: str, credentials: tuple[str, ...], root: Path, invocation: Invocation) -> int:
    """Write the files for systemd; start nothing.

    A unit file, an account and its directories.

    The unit may write to its state, its cache, /var/tmp/drorch and directories that are stores, and may do little else. Policies with trees of
    files add the one capability that reads what belongs to others. It tells the command that starts it.
    """
    settings = invocation.settings()
    texts = unit_files(
        program=str(Path(sys.argv[0]).absolute()),
        settings=str(settings.file or SYSTEM_FILE),
        account=account,
        credentials=dict(_pair(text) for text in credentials),
        reads_all_files=_reads_files(settings),
        stores=tuple(str(one.directory) for one in settings.stores.values() if isinstance(one, DirectoryStore)),
    )
    written = [_write(root / name, text) for name, text in texts.items()]
    if invocation.output.as_json:
        invocation.output.document("drorch.service-install/1", {"ok": True, "files": written, "next": NEXT})
    elif not invocation.output.quiet:
        first, *rest = NEXT.split(" && ")
        lines = [
            f"OK  {counted(len(written), 'file')} for systemd",
            *(f"  {name}" for name in written),
            f"  next  {first}",
        ]
        invocation.output.lines([*lines, *(f"        {step}" for step in rest)])
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name.replace("-", "").replace("_", "").isalnum() or not path.startswith("/"):
        raise UsageInvalid("not a credential", expected="NAME=/FILE", found=text)
    return name, path


def _reads_files(settings: Settings) -> bool:
    return any(isinstance(policy.source, FilesSource) for policy in load_policies(settings).policies)


def _write(path: Path, text: str) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    except OSError as error:
        raise UsageInvalid(
            f"{path} cannot be written", found=error.strerror or "", hint="as root, or below another directory: --root"
        ) from error
    return str(path)
