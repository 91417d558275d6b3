"""``drorch keys generate --role writer``: a machine makes its own key where it is used; only the public half goes to who holds a root key."""

from __future__ import annotations

from pathlib import Path

from drorch.cli.invocation import Invocation
from drorch.cli.key_pairs import tell_key, write_new
from drorch.cli.output import wrapped
from drorch.format.keyfile import ROLE_OF_KIND, HostKeyFile, KeyKind, KeyOrigin, encode_public
from drorch.format.keys import SEED_BYTES, HostKey
from drorch.wiring import random_bytes

_SETTING = {
    KeyKind.WRITER: "host_key",
    KeyKind.MAINTAINER: "maintenance_key",
    KeyKind.DRILL_HOST: "host_key",
}


def generate_host_key(name: str, kind: KeyKind, directory: Path, invocation: Invocation) -> int:
    """Make NAME.key, in clear and for this account only, and NAME.pub; the repository of drorch.yaml is the one that it is for."""
    with invocation.wiring() as wiring:
        base, trust = wiring.settings.base_directory, wiring.repository().trust
    made = HostKeyFile(
        role=ROLE_OF_KIND[kind],
        label=name,
        origin=KeyOrigin(repository=trust.repository, trust_root=trust.root_digest),
        key=HostKey(random_bytes(SEED_BYTES), random_bytes(SEED_BYTES)),
    )
    private = write_new(directory / f"{name}.key", made.encode(), secret=True)
    public = write_new(directory / f"{name}.pub", encode_public(made.public()), secret=False)
    written = private.absolute()
    named = written.relative_to(base) if written.is_relative_to(base) else written
    told = [
        *wrapped(f"  {private}   private, in clear: stays on this machine; drorch.yaml names it:", 4),
        f"    keys: {{{_SETTING[kind]}: file:{named}}}",
        *wrapped(f"  {public}   public: bring it to who holds a root key, for `drorch keys add`", 4),
    ]
    tell_key(name, made.public().key_id, told, invocation)
    return 0
