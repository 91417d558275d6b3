"""The snapshot that a drill is about, found and opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.errors import DrorchError
from drorch.evidence.drill_checks import Check, CheckResult, Outcome
from drorch.evidence.drill_report import Moment
from drorch.format.keys import RecipientKey
from drorch.operations.content import SnapshotContent
from drorch.operations.drills.checking import ENDS_A_DRILL, failed_by, taking
from drorch.operations.drills.request import DrillRequest, Means
from drorch.operations.drills.scenarios.reached import Reached
from drorch.operations.drills.stored_tables import table_name
from drorch.repository.reader import SnapshotReader

TITLE = "locate and release key"
FETCH_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """What was reached, and what reads it."""

    reached: Reached
    recipient: RecipientKey
    reader: SnapshotReader
    content: SnapshotContent

    @property
    def engine(self) -> str:
        """Of which engine it is."""
        return str(self.content.facts.get("engine", ""))

    @property
    def size_bytes(self) -> int:
        """How much it is when it was restored, as far as the snapshot tells."""
        return sum(stream.size_bytes for stream in self.content.streams())

    def chosen(self, tables: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``tables`` as streams call them: without a schema where the engine has none."""
        names = {table_name(stream.spec.name) for stream in self.content.streams()}
        return tuple(table if table in names else table.rpartition(".")[2] for table in tables)

    def restored_bytes(self, tables: tuple[str, ...]) -> int:
        """Return how much of it comes back; of ``tables`` alone when some are named."""
        chosen = self.chosen(tables)
        streams = self.content.streams()
        return sum(one.size_bytes for one in streams if not chosen or table_name(one.spec.name) in chosen)

    def counted(self, tables: tuple[str, ...]) -> tuple[int, str]:
        """Return how many of what come back; ``tables`` are those that are restored alone."""
        if self.engine == "files":
            files = self.content.facts.get("files")
            return (files if isinstance(files, int) else 0), "files"
        return len(tables) or self.reached.snapshot.link.manifest.tables, "tables"


def locate(
    request: DrillRequest, means: Means, recipient: RecipientKey, started: float
) -> Iterator[Located | Moment | CheckResult]:
    """Find the snapshot and open it; yield it, and what is to be told. A key that is wrong raises: then nothing is started."""
    try:
        reached = means.reach(request)
        yield Moment(name="located", at=means.clock.now())
        reader = SnapshotReader(
            reached.repository, reached.snapshot.link, [recipient], threads=FETCH_THREADS, stores=(reached.store,)
        )
        found = Located(reached=reached, recipient=recipient, reader=reader, content=SnapshotContent(reader))
    except ENDS_A_DRILL:
        raise
    except DrorchError as error:
        yield taking(means.clock, failed_by(Check.KEY, TITLE, error), started)
        return
    yield found
    yield taking(means.clock, _result(reached), started)


def _result(reached: Reached) -> CheckResult:
    is_told = any("would be lost" in one or "not in" in one for one in reached.told)
    return CheckResult(
        check=Check.KEY,
        title=TITLE,
        outcome=Outcome.FINDING if is_told else Outcome.OK,
        expected="one snapshot, opened",
        found=f"{reached.snapshot.short_id} in {reached.store}",
        told=reached.told,
    )
