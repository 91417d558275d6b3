"""``drorch evidence export``: one file for somebody who has neither drorch nor the stores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from drorch.cli.evidence.places import dossier_of
from drorch.cli.invocation import Invocation, common_options
from drorch.cli.output import wrapped
from drorch.errors import EvidenceError, EvidenceUnknown, TargetRefused
from drorch.evidence.bundle import encode_bundle
from drorch.operations.proof import exporting, reporting
from drorch.quantities import counted
from drorch.wiring import evidence_helpers


@click.command(
    epilog="Example: drorch evidence export 01KB3W0T --to drill.zip",
    short_help="Bundle a drill or a month for somebody.",
)
@click.argument("wanted", metavar="ID|YYYY-MM")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The bundle; WANTED.zip by default.",
)
@click.option("--store", metavar="URL|NAME", help="Read the evidence from this store.")
@common_options
def command(wanted: str, target: Path | None, store: str | None, invocation: Invocation) -> int:
    """Put a drill, or all of a month, with the whole ledger and a verifier into one ZIP file.

    The verifier in it needs python3 and the package `cryptography`, and nothing else. Whom to trust is not in the bundle: the reader must know.
    """
    settings = invocation.settings_or_bare()
    with invocation.wiring(settings) as wiring:
        dossier = dossier_of(wiring, store)
        papers: Mapping[str, bytes] = {}
        try:
            papers = reporting.run(dossier, wanted, settings.time_zone)
        except EvidenceUnknown:
            raise
        except EvidenceError as error:  # what is broken goes along all the same, for the reader to see
            invocation.output.message(f"note  without reports on paper: {error.message}")
        beside = {f"reports/{name}": content for name, content in papers.items()}
        bundle = exporting.run(dossier, wanted, {**evidence_helpers(), **beside})
    raw = encode_bundle(bundle)
    path = target or Path(f"{bundle.wanted}.zip")
    _write(path, raw)
    if invocation.output.as_json:
        content = {
            "ok": True,
            "wanted": bundle.wanted,
            "file": str(path),
            "files": len(bundle.files),
            "bytes": len(raw),
        }
        invocation.output.document("drorch.evidence-export/1", content)
    elif not invocation.output.quiet:
        lines = wrapped(f"OK  {path}  {counted(len(bundle.files), 'file')}, {len(raw):,} bytes", 4)
        lines += wrapped(f"  check it: drorch evidence verify {path} --trust FILE|DIGEST", 4)
        lines += wrapped("  without drorch: unpack it, and python3 verify_evidence.py . --trust FILE|DIGEST", 4)
        invocation.output.lines(lines)
    return 0


def _write(path: Path, raw: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(raw)
    except FileExistsError as error:
        raise TargetRefused(f"{path} is there already", expected="a new file", hint="--to another") from error
    except OSError as error:
        raise TargetRefused(f"{path} cannot be written", found=error.strerror or "") from error
