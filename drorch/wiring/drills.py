"""What drills are done with: proofs of every engine, the key that drills read by, what this machine is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from drorch import __version__
from drorch.errors import KeyMissing, SourceUnsupported
from drorch.policy.model import CommandSource, SourcePromise
from drorch.wiring.catalogs import Catalogs
from drorch.wiring.kernel_clock import clock_offset_ms
from drorch.wiring.machine import host_name, liveness, this_machine
from drorch.wiring.proof import Proof
from drorch.wiring.sandboxes import Sandboxes

if TYPE_CHECKING:
    from drorch.evidence.drill_report import DrillReport, Machine
    from drorch.format.keys import RecipientKey
    from drorch.operations.drills.books import DrillBooks
    from drorch.operations.drills.lottery import Lottery
    from drorch.operations.proof.recording import RecordedDrill
    from drorch.operations.schema_seen import Definitions
    from drorch.sources.interface import Cuts, DatabaseProof, OpensFiles, ProgramEnd, TreeProof

_PACKAGE = Path(__file__).resolve().parent.parent
VERIFY_SECONDS = 3_600.0
_WITH_DEFINITIONS = ("postgresql", "mariadb", "sqlite")


class Drills(Proof, Sandboxes, Catalogs):
    """Makes what drills need."""

    def drill_machine(self) -> Machine:
        """Return what the report says of this machine and of the program that drills."""
        from drorch.evidence.drill_report import Machine

        return Machine(
            host=host_name(),
            roles=tuple(self.settings.roles),
            tool_version=__version__,
            tool_digest=tool_digest(),
            clock_offset_ms=clock_offset_ms(),
        )

    def drill_books(self) -> DrillBooks:
        """Return the books of this machine's drills."""
        from drorch.operations.drills.books import DrillBooks

        return DrillBooks(catalog=self.catalog(), machine=this_machine(), is_alive=liveness(), clock=self.clock)

    def lottery(self) -> Lottery:
        """Return what draws by lot, with the ledger of every store."""
        from drorch.operations.drills.lottery import Lottery

        return Lottery(
            catalog=self.catalog(), writer=self.ledger_writer(), clock=self.clock, random_bytes=self.random_bytes
        )

    def seal_drill(self, report: DrillReport, draw: str) -> RecordedDrill:
        """State, sign and enter a report into the ledger of every store; raises what that raises."""
        from drorch.operations.proof.recording import run

        return run(report, self.ledger_writer(), draw=draw)

    def drill_key(self, ask: Callable[[str], str]) -> RecipientKey:
        """Return the private key that `keys: {drill_key: ...}` names; ``ask`` is called for a passphrase that nobody wrote down.

        Raises ``KeyMissing`` when none is named, ``SecretUnavailable`` or ``KeyWrong``.
        """
        from drorch.format.keyfile import read_key_file
        from drorch.format.keys import RecipientKey

        keys = self.settings.keys
        if keys.drill_key is None:
            raise KeyMissing(
                "a drill needs a private key",
                expected="--key FILE, or `keys: {drill_key: file:secrets/drill-host.key}` in drorch.yaml",
                found="neither",
                hint="`drorch keys generate drill-host` makes one of this machine's own; its public half goes to `recipients:`",
            )
        key_file = read_key_file(self.settings.reveal(keys.drill_key).content().decode(errors="replace"))
        if keys.drill_passphrase is not None:
            passphrase = self.settings.reveal(keys.drill_passphrase).text()
        else:
            passphrase = ask(key_file.label)
        return RecipientKey.from_seed(key_file.open(passphrase), key_file.label)

    def drill_key_as_carried(self) -> tuple[str, str | None]:
        """Return the text of the key file that `keys: {drill_key: ...}` names, and its passphrase if that is written down.

        Raises ``KeyMissing`` or ``SecretUnavailable``.
        """
        keys = self.settings.keys
        if keys.drill_key is None:
            raise KeyMissing("a cold start needs a private key", expected="--key FILE or --share FILE", found="none")
        text = self.settings.reveal(keys.drill_key).content().decode(errors="replace")
        passphrase = None if keys.drill_passphrase is None else self.settings.reveal(keys.drill_passphrase).text()
        return text, passphrase

    def definitions(self, engine: str) -> Definitions | None:
        """Return what understands the definitions of an engine; ``None`` for one that has none."""
        return self.database_proof(engine).definitions if engine in _WITH_DEFINITIONS else None

    def database_proof(self, engine: str) -> DatabaseProof:
        """Return what understands the captures of an engine; raise ``SourceUnsupported``."""
        if engine == "postgresql":
            from drorch.sources.postgresql.proof import PostgresqlProof

            return PostgresqlProof()
        if engine == "mariadb":
            from drorch.sources.mariadb.proof import MariadbProof

            return MariadbProof()
        if engine == "sqlite":
            from drorch.sources.sqlite.proof import SqliteProof

            return SqliteProof()
        raise SourceUnsupported(
            f"this version compares no database of {engine or 'an engine without a name'}",
            expected="postgresql, mariadb or sqlite",
            found=engine,
        )

    def tree_proof(self) -> TreeProof:
        """Return what compares a tree of files with its snapshot."""
        from drorch.sources.files.proof import FilesProof

        return FilesProof(self.temporary())

    def document_opener(self) -> OpensFiles:
        """Return what really opens documents and pictures."""
        from drorch.sources.files.opening import DocumentOpener

        return DocumentOpener()

    def verify_by_command(self, url: str, promise: SourcePromise, *, cuts: Cuts | None = None) -> ProgramEnd | None:
        """Run the policy's `verify` at the place behind ``command:``; ``None`` when the policy has none. Raises ``ProgramUnsafe``."""
        from drorch.sources.command.target import parse_location
        from drorch.sources.command.wording import TARGET
        from drorch.sources.programs import trusted
        from drorch.sources.subprocesses import run_to_end

        described = promise.source
        if not isinstance(described, CommandSource) or not described.verify:
            return None
        place = parse_location(url)
        surroundings = self._surroundings(described.environment, promise.address)
        return run_to_end(
            trusted([word.replace(TARGET, place) for word in described.verify], surroundings.search_path),
            environment=surroundings.variables,
            timeout_seconds=VERIFY_SECONDS,
            secret_texts=surroundings.secret_texts,
            cuts=cuts,
        )


def tool_digest() -> str:
    """Return the SHA-256 of the program itself: every module's path and content, in order."""
    whole = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        name = path.relative_to(_PACKAGE).as_posix()
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()
