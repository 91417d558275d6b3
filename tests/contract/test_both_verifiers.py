"""drorch and the stand-alone verifier, which share no code, come to the same result over every bundle, good or tampered with."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from drorch.errors import DrorchError, EvidenceError, IntegrityError
from drorch.evidence.bundle import encode_bundle, read_bundle
from drorch.evidence.drill_report import DrillReport, Verdict
from drorch.evidence.sign_off import PersonRole
from drorch.evidence.trusted_keys import TrustedKeys
from drorch.operations.proof import exporting, recording, signing, stamping, verifying
from drorch.operations.proof.appending import LedgerWriter
from drorch.operations.proof.gathering import gather
from drorch.storage.memory import MemoryStore
from drorch.timestamping.authority import request_stamp
from tests.support.authority import authority
from tests.support.drill_reports import drill_report
from tests.support.evidence import TRUSTED, Bench, bench, drawn_bench, reported, undrawn
from tests.support.ledgers import WRITER, filled, objects
from tests.support.repositories import Household, ManualClock
from tests.support.statements import OPERATOR, OPERATOR_PERSON, VERIFIER, VERIFIER_PERSON, passing_report, person

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "verify_evidence.py"
DRILL = passing_report().drill
MONTH = f"{ManualClock().now():%Y-%m}"
HELPERS = {"README.txt": b"what this is", "verify_evidence.py": SCRIPT.read_bytes()}


def exported(made: Bench, wanted: str = DRILL) -> bytes:
    return encode_bundle(exporting.run(made.dossier(), wanted, HELPERS))


def signed() -> Bench:
    made = bench()
    made.drill()
    made.both_sign()
    return made


SIGNED = exported(signed())


def by_drorch(raw: bytes, trusted: TrustedKeys) -> int:
    try:
        bundle = read_bundle(raw)
        return verifying.run(bundle.dossier(), bundle.wanted, trusted).exit_code
    except (EvidenceError, IntegrityError):
        return 60


def alone(raw: bytes, trusted: TrustedKeys, place: Path, *more: str) -> tuple[int, str]:
    (place / "bundle.zip").write_bytes(raw)
    (place / "trust.txt").write_text(trusted.encode(), encoding="utf-8")
    words = [sys.executable, "-I", str(SCRIPT), str(place / "bundle.zip"), "--trust", str(place / "trust.txt")]
    words += more
    told = subprocess.run(words, capture_output=True, text=True, check=False, cwd=place)
    assert told.stderr == ""
    return told.returncode, told.stdout


def loaded() -> Any:
    """Return the stand-alone verifier as a module: quicker than a process for each try."""
    spec = importlib.util.spec_from_file_location("verify_evidence", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one_gone() -> bytes:
    contents = objects(signed().store, "")
    return exported(Bench(filled({name: raw for name, raw in contents.items() if f"{DRILL.lower()}.dsse" not in name})))


def a_machine_signs(monkeypatch: pytest.MonkeyPatch) -> bytes:
    made = bench()
    made.drill()
    with monkeypatch.context() as patch:
        patch.setattr(signing, "require_separate_people", lambda *_: None)
        made.sign(person("verifier1", PersonRole.VERIFIER, WRITER), WRITER)
    return exported(made)


def one_hand(monkeypatch: pytest.MonkeyPatch) -> bytes:
    made = bench()
    made.drill()
    made.sign(OPERATOR_PERSON, OPERATOR)
    with monkeypatch.context() as patch:
        patch.setattr(signing, "require_separate_people", lambda *_: None)
        made.sign(person("operator1", PersonRole.VERIFIER, VERIFIER), VERIFIER)
    return exported(made)


def a_lie(monkeypatch: pytest.MonkeyPatch) -> bytes:
    made = bench()
    with monkeypatch.context() as patch:
        patch.setattr("drorch.evidence.statement.contradiction", lambda _: None)
        recording.run(replace(undrawn(drill_report()), drill=DRILL, verdict=Verdict.PASS), made.writer)
    return exported(made)


def failed(_: pytest.MonkeyPatch) -> bytes:
    made = bench()
    made.drill(replace(undrawn(drill_report()), drill=DRILL))
    return exported(made)


REVOKED = TRUSTED.with_revoked(VERIFIER.key_id, ManualClock().now().replace(year=2020), "stolen")
CASES: dict[str, tuple[Callable[[pytest.MonkeyPatch], bytes], TrustedKeys, int]] = {
    "good": (lambda _: SIGNED, TRUSTED, 0),
    "a drill that failed": (failed, TRUSTED, 0),
    "nobody is trusted": (lambda _: SIGNED, TrustedKeys(), 61),
    "another root": (lambda _: SIGNED, replace(TRUSTED, root=bytes(16)), 61),
    "no people": (lambda _: SIGNED, replace(TRUSTED, people=()), 61),
    "people under other names": (
        lambda _: SIGNED,
        replace(TRUSTED, people=(replace(VERIFIER_PERSON, identifier="x"), OPERATOR_PERSON)),
        60,
    ),
    "a revoked verifier": (lambda _: SIGNED, REVOKED, 60),
    "a statement that is gone": (lambda _: one_gone(), TRUSTED, 60),
    "a machine as a person": (a_machine_signs, TRUSTED, 60),
    "one hand for both roles": (one_hand, TRUSTED, 60),
    "a pass beside a failed check": (a_lie, TRUSTED, 60),
    "a month with a draw": (lambda _: exported(drawn_bench(), MONTH), TRUSTED, 0),
    "drawn and not drilled": (lambda _: exported(drawn_bench(drilled=2), MONTH), TRUSTED, 60),
    "drawn and not drilled, one of them": (
        lambda _: exported(drawn_bench(drilled=2), "01KB3W0T5Q8N2R7T4V6W1Y3Z00"),
        TRUSTED,
        60,
    ),
    "a draw that was helped": (lambda _: exported(drawn_bench(drawn=["d1", "d2", "d3"]), MONTH), TRUSTED, 60),
    "a month's report": (lambda _: exported(reported(), MONTH), TRUSTED, 0),
    "a month's report, nobody trusted": (lambda _: exported(reported(), MONTH), TrustedKeys(), 61),
    "a month's report that another signed": (lambda _: exported(reported(key=VERIFIER), MONTH), TRUSTED, 60),
    "a month's report of another month": (lambda _: exported(reported(month="2026-01"), MONTH), TRUSTED, 60),
    "a month's report that is gone": (lambda _: _without(exported(reported(), MONTH), "month-"), TRUSTED, 60),
    "a claimed draw": (lambda _: exported(_drilled(passing_report())), TRUSTED, 60),
}


def stamped(*, is_of_another: bool = False) -> Bench:
    made = signed()
    (content,) = [
        raw for name, raw in objects(made.store, "evidence/").items() if name.endswith(f"{DRILL.lower()}.dsse")
    ]
    token = b"other" if is_of_another else hashlib.sha256(content).digest()

    def ask(_authority: str, _content: bytes) -> tuple[bytes, datetime]:
        return token, datetime(2026, 11, 22, tzinfo=UTC)

    assert stamping.run(made.writer, "http://tsa/", ask).stamped == (DRILL,)
    return made


def test_the_verifier_alone_says_what_it_does_not_check_of_a_time_stamp(tmp_path: Path) -> None:
    code, told = alone(exported(stamped()), TRUSTED, tmp_path)
    assert code == 0
    assert "NOT CHECKED here: the authority's signature" in told
    assert "openssl ts -verify -data" in told
    code, told = alone(exported(stamped(is_of_another=True)), TRUSTED, tmp_path)
    assert (code, "time-stamp is of something else" in told) == (60, True)


def by_itself(raw: bytes, trusted: Path, strange: Path, place: Path) -> None:
    """The verifier checks the authority's signature itself, by the certificates of the reader alone."""
    code, told = alone(raw, TRUSTED, place, "--tsa-certificate", str(trusted))
    assert (code, "NOT CHECKED" in told) == (0, False), told
    assert "below an authority that you named" in " ".join(told.split())
    code, told = alone(raw, TRUSTED, place, "--tsa-certificate", str(strange))
    assert (code, "by no authority that you named" in told) == (60, True), told


def test_the_command_that_it_names_verifies_the_authority_in_the_unpacked_bundle(tmp_path: Path) -> None:
    made = signed()
    with authority(tmp_path) as one, authority(tmp_path, "other") as other:
        assert stamping.run(made.writer, one.address, request_stamp).stamped == (DRILL,)
        trusted, strange = one.certificate, other.certificate
    code, told = alone(exported(made), TRUSTED, tmp_path)
    named = re.search(r"openssl ts -verify -data \S+ -in \S+ -CAfile AUTHORITY.pem", " ".join(told.split()))
    assert (code, named is None) == (0, False), told
    assert named is not None
    by_itself(exported(made), trusted, strange, tmp_path)
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "unpacked")

    def end(certificate: Path) -> int:
        words = named[0].replace("AUTHORITY.pem", str(certificate)).split()
        return subprocess.run(words, cwd=tmp_path / "unpacked", capture_output=True, check=False).returncode

    assert end(trusted) == 0
    assert end(strange) != 0


def test_no_altered_byte_of_a_time_stamp_makes_it_say_something_else(tmp_path: Path) -> None:
    """What the signature does not cover (versions, who is named twice) may be altered, and changes nothing that is told."""
    verifier = loaded()
    with authority(tmp_path) as one:
        token, moment = request_stamp(one.address, b"statement")
        roots = x509.load_pem_x509_certificates(one.certificate.read_bytes())
    good = verifier.stamped(token, b"statement", roots)
    assert good[0] == moment.replace(microsecond=0)
    refused = 0
    for place in range(0, len(token), 3):
        altered = bytearray(token)
        altered[place] ^= 1
        try:
            assert verifier.stamped(bytes(altered), b"statement", roots) == good, place
        except (verifier.Broken, verifier.Unread, ValueError, TypeError, IndexError, KeyError, AttributeError):
            refused += 1
    assert refused > len(token) / 4
    with pytest.raises(verifier.Broken, match="something else"):
        verifier.stamped(token, b"another", roots)


def _without(raw: bytes, part: str) -> bytes:
    bundle = read_bundle(raw)
    files = {name: content for name, content in bundle.files.items() if part not in name}
    assert len(files) < len(bundle.files)
    return encode_bundle(replace(bundle, files=files))


def _drilled(report: DrillReport) -> Bench:
    made = bench()
    made.drill(report)
    return made


@pytest.mark.parametrize("case", CASES)
def test_both_come_to_the_same_result(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, trusted, expected = CASES[case]
    raw = make(monkeypatch)
    code, told = alone(raw, trusted, tmp_path)
    assert (by_drorch(raw, trusted), code) == (expected, expected), told


def test_a_bundle_that_is_signed_anew_by_others_is_nobodys(tmp_path: Path) -> None:
    """Whoever has all the tools and none of the keys: a repository, a ledger and people of his own."""
    store = MemoryStore(ManualClock())
    forger = Household(name="forger")
    opened = forger.create(store)
    key = forger.host.signing_key()
    forged = replace(undrawn(passing_report()), summary="all is well")
    recording.run(forged, LedgerWriter(repository=opened, key=key, clock=ManualClock(), memory=None))
    raw = encode_bundle(exporting.run(gather(opened), DRILL, HELPERS))
    assert (by_drorch(raw, TRUSTED), alone(raw, TRUSTED, tmp_path)[0]) == (61, 61)


def test_every_altered_byte_of_a_bundle_is_noticed_by_drorch() -> None:
    dice = random.Random(7)
    for place in dice.sample(range(len(SIGNED)), 250):
        altered = bytearray(SIGNED)
        altered[place] ^= 1 << dice.randrange(8)
        assert by_drorch(bytes(altered), TRUSTED) == 60, place


def test_every_altered_byte_of_the_evidence_is_noticed_by_the_verifier_alone(tmp_path: Path) -> None:
    """In one process, for it is quick: a byte of each file in turn, with ``bundle.json`` made to fit."""
    module = loaded()
    trusted = module.read_trusted(TRUSTED.encode())
    bundle, dice = read_bundle(SIGNED), random.Random(9)
    assert module.Verifier({**bundle.files, "bundle.json": _listing(bundle.files)}, trusted).run() == 0
    for name in [one for one in bundle.files if one.startswith("objects/")]:
        size = len(bundle.files[name])
        for place in sorted({*range(18), *dice.sample(range(size), 25)}):
            altered = bytearray(bundle.files[name])
            altered[place] ^= 1 << dice.randrange(8)
            files = {**bundle.files, name: bytes(altered)}
            code = module.Verifier({**files, "bundle.json": _listing(files)}, trusted).run()
            assert code in (60, 61), f"{name} at {place}"


def _listing(files: Mapping[str, bytes]) -> bytes:
    digests = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    return json.dumps({"schema": "drorch.evidence-bundle/1", "wanted": DRILL, "files": digests}).encode()


def test_what_is_no_bundle_is_refused_by_both(tmp_path: Path) -> None:
    for raw in (b"", b"PK", SIGNED[: len(SIGNED) // 2], b"\0" * 1000):
        with pytest.raises(DrorchError):
            read_bundle(raw)
        assert alone(raw, TRUSTED, tmp_path)[0] == 60


def test_the_verifier_needs_nothing_but_python_and_cryptography() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
