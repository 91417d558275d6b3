"""What ``keys add``, ``remove`` and ``revoke`` have in common: a plan that is shown, and root keys that sign it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import click

from drorch.cli.private_keys import read_root
from drorch.errors import KeyMissing, UsageInvalid
from drorch.format.signing import SigningKey
from drorch.format.trust import TrustChain
from drorch.operations.rotate_keys.publishing import require_root

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The root keys that were named on the command line; ``plan_only``: nothing is signed."""

    keys: tuple[Path, ...]
    passphrase_files: tuple[Path, ...]
    plan_only: bool

    def opened(self, trust: TrustChain) -> list[SigningKey]:
        """Return the keys, each opened by its passphrase, which is asked for unless a file gives it.

        Raises ``KeyMissing`` when none is named and ``KeyWrong`` for one that is no root key here, before it asks for anything.
        """
        if not self.keys:
            raise KeyMissing(
                "a root key must sign this",
                expected=f"--root-key FILE, {trust.last.threshold} of them"
                if trust.last.threshold > 1
                else "--root-key FILE",
                found="none",
                hint="--plan shows what would change, without a key",
            )
        if len(self.passphrase_files) > len(self.keys):
            raise UsageInvalid("more passphrases than root keys", expected=str(len(self.keys)))
        pairs = zip_longest(self.keys, self.passphrase_files)
        return [read_root(path, passphrase, lambda key_id: require_root(trust, key_id)) for path, passphrase in pairs]


def signing_options(function: F) -> F:
    """Add ``--root-key``, ``--root-passphrase-file`` and ``--plan``, given to the command as ``signing``."""

    def call(*args: Any, root_keys: tuple[Path, ...], passphrases: tuple[Path, ...], plan_only: bool, **kw: Any) -> Any:
        signing = Signing(keys=root_keys, passphrase_files=passphrases, plan_only=plan_only)
        return function(*args, signing=signing, **kw)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
    file = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--plan", "plan_only", is_flag=True, help="Show what would change; change nothing."),
        click.option(
            "--root-passphrase-file",
            "passphrases",
            multiple=True,
            type=file,
            metavar="FILE",
            help="Read a root key's passphrase from FILE instead of asking; one for each key, in their order.",
        ),
        click.option(
            "--root-key",
            "root_keys",
            multiple=True,
            type=file,
            metavar="FILE",
            help="A root key that signs; again for each, where several must sign.",
        ),
    ):
        call = option(call)
    return call  # type: ignore[return-value]
