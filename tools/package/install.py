#!/usr/bin/env python3
"""Install drorch from this archive, without network and without anything but Python: ``./install.py`` as root.

Makes PREFIX/VERSION, a virtual environment with every wheel of this archive, each compared with ``wheels.sha256``
first. PREFIX/current then leads to it, and BIN/drorch to PREFIX/current/bin/drorch. Other versions stay as they are;
``./install.py --use VERSION`` goes back to one. ``--uninstall VERSION`` removes one. Nothing else is touched: not
/etc/drorch, no store, no catalog, no cache.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent
COMPLETE = ".complete"  # written last: a version without it is half an installation
CURRENT = "current"
PACKAGES = ("", "purelib", "platlib")  # parts of a wheel that belong among the packages; nothing else is needed
LAUNCHER = """#!{python}
import sys

from drorch.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""


class Refusal(Exception):
    """Something stands in the way; the text says what, and nothing was changed by the step that found it."""


def main() -> int:
    """Do what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--prefix", type=Path, default=Path("/opt/drorch"), help="default: /opt/drorch")
    parser.add_argument("--bin", type=Path, default=Path("/usr/local/bin"), help="default: /usr/local/bin")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--use", metavar="VERSION", help="make an installed version the current one")
    action.add_argument("--uninstall", metavar="VERSION", help="remove an installed version")
    given = parser.parse_args()
    os.umask(0o022)  # whatever the caller's: every account of this machine may run drorch
    prefix, programs = given.prefix.absolute(), given.bin.absolute()
    try:
        if given.uninstall:
            uninstall(prefix, programs, given.uninstall)
        elif given.use:
            use(prefix, programs, given.use)
        else:
            install(prefix, programs)
    except (Refusal, OSError) as error:
        print(f"install: error: {error}", file=sys.stderr)
        return 1
    return 0


def install(prefix: Path, programs: Path) -> None:
    """Install this archive's version and make it the current one."""
    if not (HERE / "BUILD.json").is_file() or not (HERE / "wheels").is_dir():
        raise Refusal("there is no archive beside this file; --use and --uninstall work here")
    build = json.loads((HERE / "BUILD.json").read_text(encoding="utf-8"))
    require_this_python(build)
    place = prefix / build["version"]
    if (place / COMPLETE).exists():
        print(f"{place} is installed already")
    else:
        wheels = checked_wheels()
        if place.exists():  # an earlier attempt was interrupted
            shutil.rmtree(place)
        make_environment(place, wheels)
        (place / COMPLETE).touch()
    use(prefix, programs, build["version"])


def require_this_python(build: dict[str, str]) -> None:
    """Raise ``Refusal`` when the wheels are for another Python or another machine."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "machine": platform.machine()}
    wanted = {name: build[name] for name in found}
    if found != wanted:
        raise Refusal(
            f"this archive is for Python {wanted['python']} on {wanted['machine']}; here is"
            f" {found['python']} on {found['machine']}. Make one with `./run package` on a machine like this"
        )


def checked_wheels() -> list[Path]:
    """Return the wheels of the archive; raise ``Refusal`` unless they are just those of ``wheels.sha256``."""
    listed = {}
    for line in (HERE / "wheels.sha256").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    found = {f"wheels/{path.name}": path for path in sorted((HERE / "wheels").iterdir())}
    if listed.keys() != found.keys():
        raise Refusal(f"wheels are missing or were added: {', '.join(sorted(listed.keys() ^ found.keys()))}")
    for name, path in found.items():
        if hashlib.sha256(path.read_bytes()).hexdigest() != listed[name]:
            raise Refusal(f"{name} is not what wheels.sha256 says: get the archive again")
    return list(found.values())


def make_environment(place: Path, wheels: list[Path]) -> None:
    """Make the virtual environment of one version, with its programs, papers and this installer."""
    print(f"installing into {place}")
    venv.EnvBuilder(symlinks=True, with_pip=False).create(place)
    packages = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for wheel in wheels:
        unpack(wheel, packages)
    compileall.compile_dir(packages, quiet=2, workers=0)  # other accounts could not keep what they compile
    launcher = place / "bin/drorch"
    launcher.write_text(LAUNCHER.format(python=place / "bin/python"), encoding="utf-8")
    launcher.chmod(0o755)
    shutil.copy(HERE / "install.py", place / "install.py")
    for name in ("LICENSE", "README.txt", "sbom.cdx.json", "wheels.sha256"):
        shutil.copy(HERE / name, place / name)
    for name in ("docs", "samples"):
        shutil.copytree(HERE / name, place / name)


def unpack(wheel: Path, packages: Path) -> None:
    """Unpack the packages of a wheel: what stands at its top, and in ``NAME.data/purelib`` or ``platlib``."""
    with zipfile.ZipFile(wheel) as archive:
        for item in archive.infolist():
            parts = PurePosixPath(item.filename).parts
            part, below = "", parts
            if parts[0].endswith(".data"):
                part, below = parts[1], parts[2:]
            if item.is_dir() or part not in PACKAGES:
                continue
            if ".." in below or PurePosixPath(*below).is_absolute():
                raise Refusal(f"{wheel.name} holds a path that leads outside: {item.filename}")
            target = packages.joinpath(*below)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(item))


def use(prefix: Path, programs: Path, version: str) -> None:
    """Make an installed version the current one; say which it is."""
    launcher = installed(prefix, version) / "bin/drorch"
    said = subprocess.run([launcher, "--version"], capture_output=True, text=True, check=False)
    if said.returncode or said.stdout.split() != ["drorch", version]:
        last = (said.stderr or said.stdout).strip().splitlines()[-1:]
        raise Refusal(f"{launcher} does not run; the current version was left as it is: {''.join(last)}")
    point(prefix / CURRENT, Path(version))
    target = prefix / CURRENT / "bin/drorch"
    link = programs / "drorch"
    if os.path.lexists(link) and not (link.is_symlink() and link.readlink() == target):
        print(f"note: {link} is something else and stays; drorch is {target}")
    else:
        programs.mkdir(parents=True, exist_ok=True)
        point(link, target)
    others = ", ".join(other for other in versions(prefix) if other != version)
    print(f"drorch {version} is the current version" + (f"; also here: {others}" if others else ""))


def uninstall(prefix: Path, programs: Path, version: str) -> None:
    """Remove one version; if it was the current one, the newest that is left becomes it."""
    place = installed(prefix, version)
    current, link = prefix / CURRENT, programs / "drorch"
    if current.is_symlink() and current.readlink() == Path(version):
        left = [other for other in versions(prefix) if other != version]
        if left:
            use(prefix, programs, left[-1])
        else:
            if link.is_symlink() and link.readlink() == current / "bin/drorch":
                link.unlink()
            current.unlink()
    (place / COMPLETE).unlink()
    shutil.rmtree(place)
    if prefix.is_dir() and not any(prefix.iterdir()):
        prefix.rmdir()
    print(f"drorch {version} is removed; configuration, stores and catalog were not touched")


def installed(prefix: Path, version: str) -> Path:
    """Return where a version is installed; raise ``Refusal`` when it is not."""
    if version not in versions(prefix):
        raise Refusal(f"drorch {version} is not in {prefix}; there: {', '.join(versions(prefix)) or 'none'}")
    return prefix / version


def versions(prefix: Path) -> list[str]:
    """Return the installed versions, oldest first."""
    found = [path.parent.name for path in prefix.glob(f"*/{COMPLETE}") if path.parent.name != CURRENT]
    return sorted(found, key=lambda name: [int(part) if part.isdigit() else -1 for part in name.split(".")])


def point(link: Path, target: Path) -> None:
    """Make ``link`` lead to ``target``, in one step."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


if __name__ == "__main__":
    sys.exit(main())
