"""``./run package``: one archive with drorch, everything that it needs, and an installer that needs no network.

The archive is the same, byte for byte, when it is made again from the same files: names are sorted, times are fixed, owners
are nobody's, and nothing of the machine that makes it goes in. It is for the Python and the machine that made it.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
FIXED_TIME = 1580601600  # 02/02/2020, the time that hatchling gives to the files of wheels
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = platform.machine()
PAGES = ("*.md", "adr/*.md", "stores/*.md", "json/*")
SAMPLES = ("*.yaml", "*.csv", "*.json", "*.md", "installation/*")
PROGRAMS = {"install.py"}


def main() -> None:
    """Write dist/drorch-VERSION-....tar.gz and say where it is."""
    parser = argparse.ArgumentParser(prog="./run package", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    given = parser.parse_args()
    archive = build(given.output, fetched_wheels(ROOT / "requirements/runtime.txt", ROOT / ".cache/wheels"))
    print(f"{archive}  {archive.stat().st_size / 1e6:.1f} MB, sha256 {sha256(archive.read_bytes())}")


def build(output: Path, wheels: Iterable[Path]) -> Path:
    """Return the archive of this checkout and ``wheels``, written into ``output``."""
    version = version_of_checkout()
    with tempfile.TemporaryDirectory() as work:
        contents = {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in (*wheels, own_wheel(Path(work)))}
    contents["wheels.sha256"] = "".join(f"{sha256(contents[name])}  {name}\n" for name in sorted(contents)).encode()
    contents["sbom.cdx.json"] = as_json(bill_of_materials(version, contents))
    contents["BUILD.json"] = as_json({"version": version, "python": PYTHON, "machine": MACHINE})
    contents["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    contents |= papers(version)
    name = f"drorch-{version}"
    output.mkdir(parents=True, exist_ok=True)
    archive = output / f"{name}-python{PYTHON}-linux-{MACHINE}.tar.gz"
    archive.write_bytes(packed({f"{name}/{path}": content for path, content in contents.items()}))
    return archive


def version_of_checkout() -> str:
    """Return drorch's version without importing it."""
    tree = ast.parse((ROOT / "drorch/__init__.py").read_text(encoding="utf-8"))
    values = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    return str(next(value.value for value in values if isinstance(value, ast.Constant)))


def fetched_wheels(lock: Path, cache: Path) -> list[Path]:
    """Return the wheel of every requirement of ``lock``, with one of the hashes that stand there, for this Python and machine."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet", "--no-deps"]
    pip += ["--only-binary", ":all:", "--require-hashes", "--dest", str(cache), "--requirement", str(lock)]
    subprocess.run(pip, check=True)
    wanted = {
        (name.lower().replace("-", "_"), version)
        for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    }
    hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text(encoding="utf-8")))
    found = {}
    for wheel in sorted(cache.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        if (name.lower().replace(".", "_"), version) in wanted and sha256(wheel.read_bytes()) in hashes:
            found[name.lower().replace(".", "_"), version] = wheel
    missing = {one for one in wanted if (one[0].replace(".", "_"), one[1]) not in found}
    if missing:
        raise SystemExit(f"no wheel of {', '.join(sorted(name for name, _ in missing))}")
    return list(found.values())


def own_wheel(work: Path) -> Path:
    """Return the wheel of this checkout."""
    builder = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(work)]
    environment = {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(FIXED_TIME)}
    told = subprocess.run(builder, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    return next(work.glob("drorch-*.whl"))


def papers(version: str) -> dict[str, bytes]:
    """Return what is to be read and what to start from."""
    words = {"VERSION": version, "PYTHON": PYTHON, "MACHINE": MACHINE}
    readme = (HERE / "README.txt").read_text(encoding="utf-8")
    for word, meaning in words.items():
        readme = readme.replace(f"@{word}@", meaning)
    found = {"README.txt": readme.encode(), "install.py": (HERE / "install.py").read_bytes()}
    for folder, base, patterns in (
        ("docs", ROOT / "docs", PAGES),
        ("samples/policies", ROOT / "policies", SAMPLES),
        ("samples", HERE / "samples", ("*/*",)),
    ):
        paths = {path for pattern in patterns for path in base.glob(pattern) if path.is_file()}
        found |= {f"{folder}/{path.relative_to(base)}": path.read_bytes() for path in paths}
    return found


def bill_of_materials(version: str, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what the archive consists of, in CycloneDX 1.6: each wheel with its digest and licence as its own metadata say it."""
    components = [component(content) for name, content in sorted(contents.items()) if name.endswith(".whl")]
    own = next(one for one in components if one["name"] == "drorch")
    serial = uuid.uuid5(uuid.NAMESPACE_URL, "".join(one["hashes"][0]["content"] for one in components))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {**own, "type": "application", "version": version}},
        "components": [one for one in components if one is not own],
        "dependencies": [
            {"ref": own["bom-ref"], "dependsOn": [one["bom-ref"] for one in components if one is not own]}
        ],
    }


def component(wheel: bytes) -> dict[str, Any]:
    """Return one wheel as a component."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        path = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = HeaderParser().parsestr(archive.read(path).decode("utf-8"))
    name, version = metadata["Name"], metadata["Version"]
    address = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "hashes": [{"alg": "SHA-256", "content": sha256(wheel)}],
    }
    classifiers = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if "License ::" in text]
    if metadata["License-Expression"]:
        found["licenses"] = [{"expression": metadata["License-Expression"]}]
    elif (named := classifiers or [metadata["License"]])[0]:
        found["licenses"] = [{"license": {"name": text.splitlines()[0][:100]}} for text in named]
    return found


def packed(contents: Mapping[str, bytes]) -> bytes:
    """Return a .tar.gz that depends on nothing but ``contents``."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(contents.items()):
            item = tarfile.TarInfo(name)
            item.size, item.mtime = len(content), FIXED_TIME
            item.mode = 0o755 if Path(name).name in PROGRAMS else 0o644
            archive.addfile(item, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)


def as_json(value: object) -> bytes:
    """Return ``value`` as JSON for people and programs."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def sha256(content: bytes) -> str:
    """Return the digest as it stands in lists."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main()
