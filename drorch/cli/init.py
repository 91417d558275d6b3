"""``drorch init``: make drorch.yaml, this host's keys and a repository."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from drorch import __version__
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import labelled, wrapped
from drorch.cli.private_keys import new_passphrase, text_of
from drorch.clock import SystemClock
from drorch.environment import process_environment
from drorch.errors import PARTIAL, DrorchError, SettingsInvalid, TargetRefused, UsageInvalid
from drorch.format.keyfile import PublicKey, read_public
from drorch.ids import grouped
from drorch.operations.first_settings import FirstSettings, FirstStore
from drorch.operations.initialise import Founding, found, put_into_stores
from drorch.settings import load_settings
from drorch.wiring import Wiring, help_files, random_bytes

_STORE = re.compile(r"([a-z0-9][a-z0-9-]*)=(.+)")
_DRILL_MACHINE_KEY = "secrets/drill-machine.key"
_FOLDERS = ("policies", "restore_tests", "keys", "secrets")


@click.command(epilog="Example: drorch init /etc/drorch --store disk=/srv/drorch --recipient custodians.pub")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--store", "stores", multiple=True, required=True, metavar="NAME=URL", help="s3://BUCKET/PREFIX or a directory."
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
@click.option(
    "--drill-machine",
    metavar="NAME",
    help=f"Make a key for another machine, which drills and signs what it proved: {_DRILL_MACHINE_KEY}.",
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
    drill_machine: str | None,
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
    halves come here. For S3 put the credentials into DIRECTORY/secrets/ first, as NAME.access-key and
    NAME.secret-key. Directories that do not begin with / lie below DIRECTORY.
    """
    public = [read_public(text_of(path)) for path in recipients]
    first_stores = [_store(text, endpoint) for text in stores]
    _make_folders(directory)
    founding = found(
        recipients=public,
        host_label=socket.gethostname() or "host",
        drill_machine=drill_machine,
        root_passphrase=new_passphrase(
            root_passphrase_file,
            "Passphrase for the root key (it goes into the safe with it)",
            "--root-passphrase-file",
        ),
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
    with _taken_back_on_failure(directory, {**_files(founding), "drorch.yaml": first.text()}):
        missing = _found_in_stores(directory, founding, first_stores)
    _tell(directory, founding, first_stores, public, missing, invocation)
    return PARTIAL if missing else 0


def _store(text: str, endpoint: str | None) -> FirstStore:
    match = _STORE.fullmatch(text)
    if match is None:
        raise UsageInvalid("not a store", expected="--store NAME=DIRECTORY or NAME=s3://BUCKET/PREFIX", found=text)
    url = match[2]
    return FirstStore(name=match[1], url=url, endpoint=endpoint if url.startswith("s3://") else None)


def _shown(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _files(founding: Founding) -> dict[str, str]:
    of_drills = founding.drill_machine_key_file
    return {
        **({} if of_drills is None else {_DRILL_MACHINE_KEY: of_drills}),
        "secrets/host.key": founding.host_key_file,
        "secrets/maintenance.key": founding.maintenance_key_file,
        "keys/root.key": founding.root_key_file,
        **{f"keys/{name}": text for name, text in founding.public_files.items()},
    }


def _make_folders(directory: Path) -> None:
    for name in ("drorch.yaml", "keys/root.key", "secrets/host.key", "secrets/maintenance.key", _DRILL_MACHINE_KEY):
        if (directory / name).exists():
            raise SettingsInvalid(
                f"{directory / name} is there already",
                expected="a directory without an installation",
                found="the file of one",
                hint="`drorch doctor` checks an installation; `init` only makes new ones",
            )
    for folder in (directory, *(directory / name for name in _FOLDERS)):
        _make_folder(folder, 0o750)


def _make_folder(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise TargetRefused(f"the directory {folder} cannot be made", found=error.strerror or "") from error


@contextmanager
def _taken_back_on_failure(directory: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Write ``files``; when the block fails, delete those that were not there before, so that `init` can be run again."""
    new = [directory / name for name in files if not (directory / name).exists()]
    try:
        for name, text in files.items():
            _write(directory / name, text)
        yield
    except BaseException as error:
        for path in new:
            path.unlink(missing_ok=True)
        if isinstance(error, DrorchError):
            error.still_good = error.still_good or "Nothing was kept; put that right and run `drorch init` again."
        raise


def _write(path: Path, text: str) -> None:
    try:
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "") from error


def _found_in_stores(directory: Path, founding: Founding, stores: Sequence[FirstStore]) -> Mapping[str, DrorchError]:
    for store in stores:
        if not store.url.startswith("s3://"):
            _make_folder(directory / store.url, 0o700)
    with Wiring(load_settings(directory / "drorch.yaml", process_environment())) as wiring:
        replicas = [wiring.replica(store.name) for store in stores]
        return put_into_stores(founding, replicas, help_files=help_files(), version=__version__)


def _tell(
    directory: Path,
    founding: Founding,
    stores: Sequence[FirstStore],
    recipients: Sequence[PublicKey],
    missing: Mapping[str, DrorchError],
    invocation: Invocation,
) -> None:
    trust = grouped(founding.trust_root.raw[:16])
    if invocation.output.as_json:
        invocation.output.document(
            "drorch.init/1",
            {
                "ok": not missing,
                "directory": str(directory),
                "repository": str(founding.repository),
                "trust": trust,
                "stores": [store.name for store in stores if store.name not in missing],
                "recipients": [key.label for key in recipients],
            },
        )
        return
    for name, error in missing.items():
        error.hint = f"when it answers, `drorch copy --to {name} --new` founds the repository there, too"
        invocation.output.error(error)
    if invocation.output.quiet:
        return
    lines = wrapped(f"OK  {directory / 'drorch.yaml'}, keys and a repository", 4)
    for store in (store for store in stores if store.name not in missing):
        place = store.url if store.url.startswith("s3://") else directory.absolute() / store.url
        lines += labelled("store", f"{store.name}  {place}", column=15)
    lines.append(f"  trust root   {trust}")
    lines.append(f"  can read     {', '.join(key.label for key in recipients)}")
    lines += wrapped(
        f"  now          move {directory / 'keys/root.key'} to the safe (it says who may read and write), print"
        " `drorch recovery-sheet`, and keep both apart from this machine",
        15,
    )
    if founding.drill_machine_key_file is not None:
        lines += wrapped(f"  move too     {directory / _DRILL_MACHINE_KEY} to the machine that drills", 15)
    lines.append("  next         drorch policy new NAME, then drorch doctor and drorch backup NAME")
    lines += wrapped(
        "  note         this machine holds all roles (backup, drill, maintenance); see `roles:` to part them", 15
    )
    invocation.output.lines(lines)
