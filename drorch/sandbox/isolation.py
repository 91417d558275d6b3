"""Cuts a program off: no network but its own empty one, no rights, no core, little memory, and signals as a program expects them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence

from drorch.sandbox.interface import Isolation, SandboxLimits
from drorch.sandbox.unprivileged import ENVIRONMENT, account_name, account_options

_AS_ROOT = ("unshare", "--net")
_AS_OTHERS = ("unshare", "--user", "--map-current-user", "--net")
_TRY_SECONDS = 20
_FIRST_TO_GO = 800  # when memory runs out, a sandbox dies before what else works on this machine


def isolated(arguments: Sequence[str], limits: SandboxLimits) -> tuple[list[str], Isolation]:
    """Return the words that start a server cut off, and how far it is; it is killed when the thread that starts it is gone.

    Shells let what they start in the background ignore SIGINT and SIGQUIT, and a server inherits that: they are set back.
    """
    network = network_words()
    words = ["env", "--default-signal=INT,QUIT,TERM,HUP", *network]
    words += ["setpriv", "--pdeathsig=KILL", "--no-new-privs", *account_options()]
    words += ["prlimit", "--core=0", f"--as={limits.memory_bytes}"]
    if shutil.which("choom", path=ENVIRONMENT["PATH"]):
        words += ["choom", "-n", str(_FIRST_TO_GO), "--"]
    means = ["a private socket only", "no new privileges", "limits of memory and time"]
    if network:
        means.insert(0, "a network namespace of its own, without any interface")
    told = Isolation(has_no_network=bool(network), account=account_name(), means=tuple(means))
    return [*words, *arguments], told


@functools.cache
def network_words() -> tuple[str, ...]:
    """Return what starts a program without a network; empty where the kernel does not let this account do that."""
    words = _AS_ROOT if os.geteuid() == 0 else _AS_OTHERS
    try:
        told = subprocess.run(
            [*words, "true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=_TRY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return () if told.returncode else words


def shown(isolation: Isolation) -> str:
    """Return the words for people."""
    return "no network" if isolation.has_no_network else "private socket, network not cut"
