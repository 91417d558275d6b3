"""``drorch init``: make drorch.yaml, this host's keys and a repository."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

import click

from drorch import __version__
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.clock import SystemClock
from drorch.errors import KeyMissing, SettingsInvalid, UsageInvalid
from drorch.format.keyfile import PublicKey, read_public
from drorch.ids import grouped
from drorch.operations.first_settings import FirstSettings, FirstStore
from drorch.operations.initialise import Founding, found, put_into_stores
from drorch.settings import load_settings, process_environment
from drorch.wiring import Wiring, help_files, random_bytes

_STORE = re.compile(r"([a-z0-9][a-z0-9-]*)=(.+)")
_FOLDERS = ("policies", "restore_tests", "keys", "secrets")


@click.command(epilog="Example: drorch init /etc/drorch --store disk=/srv/drorch --recipient custodians.pub")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--store", "stores", multiple=True, required=True, metavar="NAME=URL", help="A directory or s3://B/PREFIX."
)
@click.option("--endpoint", metavar="URL", help="The S3 server, if it is not AWS.")
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.pub",
    help="A public key that may read (repeatable).",
)
@click.option("--owner", default="to be filled in", help="Who answers for the systems.")
@click.option("--time-zone", default="Asia/Ho_Chi_Minh", show_default=True)
@click.option("--state", type=click.Path(path_type=Path), help="Where the catalog lies; default /var/lib/drorch.")
@click.option("--cache", type=click.Path(path_type=Path), help="Where the index lies; default /var/cache/drorch.")
@click.option("--temporary", type=click.Path(path_type=Path), help="Temporary files; default /var/tmp/drorch.")
@click.option(
    "--root-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Read the root key's passphrase from FILE instead of asking.",
)
@common_options
def command(
    directory: Path,
    stores: tuple[str, ...],
    endpoint: str | None,
    recipients: tuple[Path, ...],
    owner: str,
    time_zone: str,
    state: Path | None,
    cache: Path | None,
    temporary: Path | None,
    root_passphrase_file: Path | None,
    invocation: Invocation,
) -> int:
    """Make DIRECTORY/drorch.yaml, a root key, this host's keys, and a repository in every store.

    Recipients' keys are made elsewhere, on a custodian's machine, by `drorch keys generate`; only the public
    halves come here. For S3 put the credentials into secrets/ first, as NAME.access-key and NAME.secret-key.
    """
    public = [_public_key(path) for path in recipients]
    first_stores = [_store(text, endpoint) for text in stores]
    _make_folders(directory)
    founding = found(
        recipients=public,
        host_label=socket.gethostname() or "host",
        root_passphrase=_passphrase(root_passphrase_file),
        now=SystemClock().now(),
        random_bytes=random_bytes,
    )
    first = FirstSettings(
        trust_root=founding.trust_root,
        stores=first_stores,
        recipients=[f"keys/{name}" for name in founding.public_files],
        time_zone=time_zone,
        owner=owner,
        state=_shown(state),
        cache=_shown(cache),
        temporary=_shown(temporary),
    )
    _write(directory, founding, first)
    for store in first_stores:
        if not store.url.startswith("s3://"):
            Path(directory, store.url).mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = load_settings(directory / "drorch.yaml", process_environment())
    with Wiring(settings) as wiring:
        replicas = [wiring.replica(store.name) for store in first_stores]
        put_into_stores(founding, replicas, help_files=help_files(), version=__version__)
    _tell(directory, founding, first_stores, public, invocation)
    return 0


def _store(text: str, endpoint: str | None) -> FirstStore:
    match = _STORE.fullmatch(text)
    if match is None:
        raise UsageInvalid("not a store", expected="--store NAME=DIRECTORY or NAME=s3://BUCKET/PREFIX", found=text)
    url = match[2]
    return FirstStore(name=match[1], url=url, endpoint=endpoint if url.startswith("s3://") else None)


def _public_key(path: Path) -> PublicKey:
    try:
        return read_public(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMissing(f"the public key {path} cannot be read", found=str(getattr(error, "strerror", ""))) from error


def _passphrase(path: Path | None) -> str:
    if path is not None:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    answer: str = click.prompt(
        "Passphrase for the root key (it goes into the safe with it)",
        hide_input=True,
        confirmation_prompt=True,
        err=True,
    )
    return answer


def _shown(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _make_folders(directory: Path) -> None:
    if (directory / "drorch.yaml").exists():
        raise SettingsInvalid(
            f"{directory / 'drorch.yaml'} is there already",
            expected="a directory without drorch.yaml",
            hint="`drorch doctor` checks an installation; `init` only makes new ones",
        )
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    for folder in _FOLDERS:
        (directory / folder).mkdir(mode=0o750, exist_ok=True)


def _write(directory: Path, founding: Founding, first: FirstSettings) -> None:
    secret = {
        "secrets/host.key": founding.host_key_file,
        "secrets/maintenance.key": founding.maintenance_key_file,
        "keys/root.key": founding.root_key_file,
    }
    public = {f"keys/{name}": text for name, text in founding.public_files.items()}
    for name, text in {**secret, **public}.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    (directory / "drorch.yaml").write_text(first.text(), encoding="utf-8")


def _tell(
    directory: Path,
    founding: Founding,
    stores: Sequence[FirstStore],
    recipients: Sequence[PublicKey],
    invocation: Invocation,
) -> None:
    trust = grouped(founding.trust_root.raw[:16])
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.init/1",
            {
                "ok": True,
                "directory": str(directory),
                "repository": str(founding.repository),
                "trust": trust,
                "stores": [store.name for store in stores],
                "recipients": [key.label for key in recipients],
            },
        )
        return
    if invocation.output.quiet:
        return
    lines = [f"OK  {directory / 'drorch.yaml'} and a repository in {', '.join(store.name for store in stores)}"]
    lines.append(f"  trust root   {trust}")
    lines.append(f"  can read     {', '.join(key.label for key in recipients)}")
    lines += wrapped(
        f"  now          move {directory / 'keys/root.key'} to the safe (it says who may read and write), print"
        " `drorch recovery-sheet`, and keep both apart from this machine",
        15,
    )
    lines.append("  next         drorch policy new NAME, then drorch doctor and drorch backup NAME")
    lines += wrapped(
        "  note         this machine holds all roles (backup, drill, maintenance); see `roles:` to part them", 15
    )
    invocation.output.lines(lines)
