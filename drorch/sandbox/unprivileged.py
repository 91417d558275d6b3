"""What throw-away servers have in common: a directory of their own, an account that owns nothing, and scripts sent to them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drorch.errors import TargetUnreachable

ACCOUNT = "nobody"
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
_SIGNALS_AS_USUAL = ("env", "--default-signal=INT,QUIT,TERM,HUP")  # a background shell's children ignore some


@contextmanager
def private_directory(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a directory below ``parent`` that only the servers' account and root can enter; delete it at the end."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        give_away(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def unprivileged(arguments: Sequence[str | Path], *, ends_with_us: bool = False) -> list[str]:
    """Return the arguments that start a program as an account that owns nothing; who is not root keeps his own.

    With ``ends_with_us`` the system kills the program when this one is gone, however it went.
    """
    options = ["--pdeathsig=KILL"] if ends_with_us else []
    options += account_options()
    words = list(map(str, arguments))
    return [*_SIGNALS_AS_USUAL, *(["setpriv", *options] if options else []), *words]


def account_options() -> list[str]:
    """Return what makes setpriv change to the account that owns nothing; nothing for who is not root."""
    if os.geteuid() != 0:
        return []
    account = _account()
    return [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def account_name() -> str:
    """Return who the programs run as."""
    if os.geteuid() == 0:
        return _account().pw_name
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())


def give_away(directory: Path) -> None:
    """Give a directory to the account of the programs; who is not root keeps it."""
    if os.geteuid() == 0:
        account = _account()
        os.chown(directory, account.pw_uid, account.pw_gid)


def run_unprivileged(arguments: Sequence[str | Path]) -> None:
    """Run one of a server's programs to its end; raise ``TargetUnreachable`` with its last words."""
    told = subprocess.run(
        unprivileged(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        cwd="/",
        env=ENVIRONMENT,
    )
    if told.returncode:
        raise TargetUnreachable(
            f"the throw-away server's {Path(arguments[0]).name} failed",
            found=told.stdout.decode(errors="replace")[-400:].strip(),
        )


def run_script(arguments: Sequence[str], script: Iterable[str], **environment: str) -> None:
    """Send a script to a client program; raise ``TargetUnreachable`` when it fails, with its last words."""
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, **environment},
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        with contextlib.suppress(BrokenPipeError), child.stdin as script_file:
            for part in script:
                script_file.write(part.encode())
        complaint = child.stderr.read().decode(errors="replace")
    if child.returncode:
        raise TargetUnreachable("a script failed in the throw-away server", found=complaint[-400:].strip())


def _account() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    return pwd.getpwuid(65534)
