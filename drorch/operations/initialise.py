"""Found a repository: root key, this host's keys, the first trust record. Files are the caller's to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from drorch.errors import DrorchError, UsageInvalid
from drorch.format import names
from drorch.format.keyfile import HostKeyFile, KeyKind, KeyOrigin, PublicKey, encode_public, seal_key_file
from drorch.format.keys import HostKey
from drorch.format.objects import digest_of
from drorch.format.signing import SigningKey
from drorch.format.trust_record import MOST_RECIPIENTS, NO_PREVIOUS, Recipient, Role, RootKey, Signer, TrustRecord
from drorch.ids import Digest, RepositoryId
from drorch.repository.opening import Replica, create_repository, put_help, require_empty

KEY_BYTES = 32
_NO_FILE_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """What a new repository consists of. The texts are files; all but the public ones are secrets."""

    repository: RepositoryId
    trust_root: Digest
    trust_0: bytes = field(repr=False)
    host_key_file: str = field(repr=False)
    maintenance_key_file: str = field(repr=False)
    root_key_file: str = field(repr=False)
    public_files: Mapping[str, str]
    drill_machine_key_file: str | None = field(default=None, repr=False)


def found(
    *,
    recipients: Sequence[PublicKey],
    host_label: str,
    drill_machine: str | None = None,
    root_passphrase: str,
    now: datetime,
    random_bytes: Callable[[int], bytes],
) -> Founding:
    """Make all keys of a new repository but the recipients', whose public halves are given.

    The root key signs who may read and write; it is needed again only to change that, and belongs into a safe. ``drill_machine`` names a
    machine that gets a key of its own for evidence. Raises ``UsageInvalid`` when no recipient is given or a key is of another kind.
    """
    readers = _readers(recipients)
    root_seed = random_bytes(KEY_BYTES)
    root = SigningKey.from_seed(root_seed)
    signers = [(Role.WRITER, host_label), (Role.MAINTAINER, f"{host_label} maintenance")]
    if drill_machine is not None:
        signers.append((Role.DRILL_HOST, drill_machine))
    keys = {role: HostKey(random_bytes(KEY_BYTES), random_bytes(KEY_BYTES)) for role, _ in signers}
    record = TrustRecord(
        number=0,
        previous=NO_PREVIOUS,
        repository=RepositoryId(random_bytes(16)),
        roots=(RootKey(root.public, "root"),),
        threshold=1,
        recipients=readers,
        signers=tuple(Signer(keys[role].signing_key().public, role, label) for role, label in signers),
    )
    trust_0 = record.sign([root], now)
    origin = KeyOrigin(repository=record.repository, trust_root=digest_of(trust_0))
    files = {
        role: HostKeyFile(role=role, label=label, origin=origin, key=keys[role]).encode() for role, label in signers
    }
    return Founding(
        repository=record.repository,
        trust_root=origin.trust_root,
        trust_0=trust_0,
        host_key_file=files[Role.WRITER],
        maintenance_key_file=files[Role.MAINTAINER],
        root_key_file=seal_key_file(
            kind=KeyKind.ROOT,
            seed=root_seed,
            label="root",
            passphrase=root_passphrase,
            random_bytes=random_bytes,
            origin=origin,
        ),
        public_files=_public_files(recipients),
        drill_machine_key_file=files.get(Role.DRILL_HOST),
    )


def put_into_stores(
    founding: Founding, replicas: Sequence[Replica], *, help_files: Mapping[str, bytes], version: str
) -> dict[str, DrorchError]:
    """Put the help files and the trust record into every store; return what kept the record from coming into some of them.

    Every store is asked, and has taken the help files, before the first gets its trust record, which it never gives up again: one that does not
    answer, cannot be written, or where another repository lives (``StoreMissing``), leaves all of them without a repository. Once there is one, its keys
    must be kept, whatever happens to the other stores.
    """
    named = help_objects(help_files, version)
    for replica in replicas:
        require_empty(replica)
    for replica in replicas:
        put_help(replica, named)
    missing: dict[str, DrorchError] = {}
    for replica in replicas:
        try:
            create_repository(replica, founding.trust_0)
        except DrorchError as error:
            missing[replica.name] = error
    if len(missing) == len(replicas):
        places = " and ".join(replica.store.address for replica in replicas)
        first = missing[replicas[0].name]
        first.still_good = f"No keys were kept. Look whether {places} holds trust/0, and use another place if so."
        raise first
    return missing


def _public_files(keys: Sequence[PublicKey]) -> dict[str, str]:
    """Return each key under a file name of its own: a label comes from elsewhere, and may be a path or stand twice."""
    files: dict[str, str] = {}
    for key in keys:
        stem = _NO_FILE_NAME.sub("-", key.label).strip("-.") or "recipient"
        names_to_try = (f"{stem}{'' if number == 1 else f'-{number}'}.pub" for number in count(1))
        files[next(name for name in names_to_try if name not in files)] = encode_public(key)
    return files


def help_objects(help_files: Mapping[str, bytes], version: str) -> dict[str, bytes]:
    """Return the help files of ``version`` under their names in a store."""
    return {names.help_file(version, file): content for file, content in help_files.items()}


def _readers(recipients: Sequence[PublicKey]) -> tuple[Recipient, ...]:
    readers = tuple(key.public for key in recipients if isinstance(key.public, Recipient))
    if not readers or len(readers) != len(recipients) or len(readers) > MOST_RECIPIENTS:
        raise UsageInvalid(
            "a repository needs keys that can read it",
            expected=f"1 to {MOST_RECIPIENTS} public keys of recipients",
            found=", ".join(f"{key.label} ({key.kind.value})" for key in recipients) or "none",
            hint="on the custodian's machine: `drorch keys generate NAME`; bring the file NAME.pub here",
        )
    return readers
