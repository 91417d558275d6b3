"""The keys of this machine: the host's, by which it writes, and the maintainer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drorch.errors import KeyWrong, SecretUnavailable, SettingsInvalid
from drorch.ids import grouped
from drorch.wiring.base import Base

if TYPE_CHECKING:
    from drorch.format.keyfile import HostKeyFile
    from drorch.format.keys import HostKey
    from drorch.format.signing import SigningKey


class Keys(Base):
    """Reads key files where they are needed."""

    def writing_key(self) -> HostKey:
        """Return the key by which this host writes; raise ``KeyWrong`` when it is of another repository or role."""
        from drorch.format.trust_record import Role

        key, trust = self.host_key(), self.settings.keys.trust
        if trust is not None and not key.origin.trust_root.raw.startswith(trust):
            raise KeyWrong(
                "the host key is of another repository",
                expected=f"trust root {grouped(trust[:16])}, as drorch.yaml says",
                found=grouped(key.origin.trust_root.raw[:16]),
                hint="put the key of this repository in place, or name its trust root",
            )
        if key.role is not Role.WRITER:
            raise KeyWrong(
                "the host key may not write snapshots",
                expected="the key of a writer",
                found=f"that of a {key.role.name.lower().replace('_', ' ')}",
                hint="`keys: {host_key: ...}` in drorch.yaml names the file",
            )
        return key.key

    def maintenance_key(self) -> SigningKey:
        """Return the key that signs retire lists; raise ``SecretUnavailable`` where it is not, ``KeyWrong`` when it is another."""
        from drorch.format.keyfile import read_host_key_file
        from drorch.format.trust_record import Role

        reference, trust = self.settings.keys.maintenance_key, self.settings.keys.trust
        try:
            text = self.settings.reveal(reference).content().decode(errors="replace")
        except SecretUnavailable as error:
            error.hint = (
                "do it on the machine that holds the maintenance key; `keys: {maintenance_key: ...}` says where it lies"
            )
            raise
        key = read_host_key_file(text)
        if key.role is not Role.MAINTAINER or (trust is not None and not key.origin.trust_root.raw.startswith(trust)):
            raise KeyWrong(
                f"{reference} does not hold the maintenance key of this repository",
                expected="the key of a maintainer of this repository",
                found=f"that of a {key.role.name.lower().replace('_', ' ')}, trust root {grouped(key.origin.trust_root.raw[:16])}",
                hint="`drorch init` wrote it to secrets/maintenance.key",
            )
        return key.key.signing_key()

    def host_key(self) -> HostKeyFile:
        """Return what the host's key file holds; raise ``SettingsInvalid``, ``SecretUnavailable`` or ``KeyWrong``."""
        from drorch.format.keyfile import read_host_key_file

        reference = self.settings.keys.host_key
        if reference is None:
            raise SettingsInvalid("drorch.yaml names no host key", expected="`keys: {host_key: file:secrets/host.key}`")
        return read_host_key_file(self.settings.reveal(reference).content().decode(errors="replace"))
