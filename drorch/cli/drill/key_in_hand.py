"""The private key that a drill reads by: a key file, the shares of one, or what drorch.yaml names; opened once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drorch.cli.keys import words_of_share
from drorch.cli.private_keys import ask_hidden, read_recipient, text_of
from drorch.errors import KeyMissing, UsageInvalid
from drorch.format.custody import ShareMark, mark_of
from drorch.format.keys import RecipientKey
from drorch.operations.drills.scenarios.cold_start import Belongings
from drorch.operations.drills.scenarios.custodians import CombinedKey, combine_key
from drorch.policy.restore_tests.model import Scenario
from drorch.wiring import Wiring, random_bytes

_LABEL = "custodians"
_PASSPHRASE_BYTES = 16  # of a key that lives as long as the fresh process


@dataclass(slots=True)
class KeyInHand:
    """See the module. With ``share_files`` the key is combined out of them, and written nowhere."""

    wiring: Wiring
    key_path: Path | None
    passphrase_file: Path | None
    share_files: tuple[Path, ...] = ()
    combined: CombinedKey | None = None
    _recipient: RecipientKey | None = None

    def __post_init__(self) -> None:
        if self.share_files and self.key_path is not None:
            raise UsageInvalid("a key and shares of one", expected="--key FILE or --share FILE", found="both")

    def recipient(self) -> RecipientKey:
        """Return the key; raises ``KeyMissing``, ``KeyWrong`` or ``SecretUnavailable``."""
        if self._recipient is None:
            self._recipient = self._opened()
        return self._recipient

    def _opened(self) -> RecipientKey:
        if self.share_files:
            self.combined = combine_key([words_of_share(path) for path in self.share_files], _LABEL)
            return self.combined.key
        if self.key_path is not None:
            return read_recipient(self.key_path, self.passphrase_file)
        return self.wiring.drill_key(lambda label: ask_hidden(f"Passphrase of {label}"))

    @property
    def share_marks(self) -> tuple[ShareMark, ...]:
        """Which shares were brought; empty where a key file is used. Raises ``KeyWrong``."""
        return tuple(mark_of(words_of_share(path)) for path in self.share_files)

    def require_for(self, scenario: Scenario) -> None:
        """Raise ``KeyMissing`` when the custodians are to bring their shares and have not."""
        if scenario is Scenario.CUSTODIANS and not self.share_files:
            raise KeyMissing(
                "this drill is about the custodians' shares",
                expected="--share FILE for each custodian who came",
                found="none",
                hint="`drorch keys split` makes the sheets; one --share for each",
            )

    def belongings(self, store: str, trust: bytes) -> Belongings:
        """Return what a fresh process is given: the store, and the key or its shares as somebody carries them."""
        carried = self.wiring.store_belongings(store)
        if self.share_files:
            once = random_bytes(_PASSPHRASE_BYTES).hex()
            shares = tuple(words_of_share(path) for path in self.share_files)
            return Belongings(store=carried, trust=trust, passphrase=lambda: once, shares=shares)
        if self.key_path is not None:
            return Belongings(store=carried, trust=trust, passphrase=self._passphrase, key=text_of(self.key_path))
        text, passphrase = self.wiring.drill_key_as_carried()
        return Belongings(
            store=carried,
            trust=trust,
            passphrase=lambda: ask_hidden("Passphrase of the drill key") if passphrase is None else passphrase,
            key=text,
        )

    def _passphrase(self) -> str:
        if self.passphrase_file is None:
            return ask_hidden(f"Passphrase of {self.key_path}, for the fresh process")
        return text_of(self.passphrase_file).rstrip("\r\n")
