"""What is shipped with the program: the files that explain a repository, bucket policies, the independent comparer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent.parent
_HELP_FILES = {
    "README.txt": "docs/help/README.txt",
    "FORMAT.md": "docs/FORMAT.md",
    "recover.py": "tools/recover.py",
    "recover_format.py": "tools/recover_format.py",
    "recover_content.py": "tools/recover_content.py",
    "recover_lanes.py": "tools/recover_lanes.py",
    "rebuild.py": "tools/rebuild.py",
    "salvage.py": "tools/salvage.py",
}


def independent_comparer(arguments: Sequence[str], *, programs: Path) -> tuple[int, str]:
    """Run tools/compare.py and return its exit code (0 equal, 1 different, 2 trouble) and words."""
    from drorch.sandbox.comparer import run_comparer

    packaged = Path(str(resources.files("drorch") / "help" / "compare.py"))
    script = packaged if packaged.is_file() else _CHECKOUT / "tools" / "compare.py"
    return run_comparer(script, arguments, programs)


def bucket_policy(role: str) -> str:
    """Return the text of the bucket policy of a role: writer, maintainer, drill, auditor or bucket."""
    return (resources.files("drorch.storage") / "bucket_policies" / f"{role}.json").read_text(encoding="utf-8")


def help_files() -> Mapping[str, bytes]:
    """Return the files that explain a repository to a stranger; they are put into every store."""
    packaged = resources.files("drorch") / "help"
    if packaged.is_dir():
        return {name: (packaged / name).read_bytes() for name in _HELP_FILES}
    return {name: (_CHECKOUT / path).read_bytes() for name, path in _HELP_FILES.items()}


def evidence_helpers() -> Mapping[str, bytes]:
    """Return what goes into every bundle of evidence: a verifier that needs only python3 and cryptography, and words on it."""
    packaged = resources.files("drorch") / "help"
    sources = {"verify_evidence.py": "tools/verify_evidence.py", "README.txt": "docs/help/EVIDENCE.txt"}
    if packaged.is_dir():
        return {name: (packaged / Path(path).name).read_bytes() for name, path in sources.items()}
    return {name: (_CHECKOUT / path).read_bytes() for name, path in sources.items()}
