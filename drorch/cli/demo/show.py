"""How a demo speaks: it shows each command as one that can be pasted, and runs it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from drorch.cli.output import WIDTH, Output
from drorch.errors import TargetRefused


class Show:
    """Says what happens, and runs drorch's own commands the way a person would, from the demo's directory."""

    def __init__(self, output: Output, directory: Path) -> None:
        self._output = output
        self._config = directory / "etc" / "drorch.yaml"
        self._directory = directory

    @property
    def is_quiet(self) -> bool:
        """Whether success is to be silent; then what tells more than that is not shown."""
        return self._output.quiet

    def title(self, text: str) -> None:
        """Write a heading."""
        self.text("", f"== {text}")

    def text(self, *lines: str) -> None:
        """Write lines as they are: a command that is broken elsewhere cannot be pasted."""
        if not self._output.quiet:
            self._output.lines(lines)

    def incomplete(self, *lines: str) -> None:
        """Write lines also when only success is to be silent: something was left out."""
        self._output.lines(lines)

    def drorch(self, *arguments: str) -> None:
        """Show a command, run it in this process, and stop the demo when it fails."""
        from drorch.cli.main import root

        if self._output.quiet and arguments[0] == "snapshots":
            return  # a list is all that it does
        self.text("", *shown("$ drorch", arguments))
        needs_config = arguments[0] not in ("init", "keys")
        given = [*arguments, *(["--config", str(self._config)] if needs_config else [])]
        code = root.main(
            args=[*given, *(["--quiet"] if self._output.quiet else [])], prog_name="drorch", standalone_mode=False
        )
        if code:
            raise TargetRefused(f"`drorch {arguments[0]}` ended with {code}", expected="0", found=str(code))

    def surroundings(self) -> None:
        """Say from where the commands are shown to run."""
        self.text("", f"$ cd {shlex.quote(str(self._directory))}", "$ export DRORCH_CONFIG=$PWD/etc/drorch.yaml")

    def answer(self, *arguments: str) -> dict[str, Any]:
        """Run a command unseen and return what it answers to ``--json``."""
        from drorch.cli.main import root

        with contextlib.redirect_stdout(io.StringIO()) as told:
            words = [*arguments, "--json", "--config", str(self._config)]
            root.main(args=words, prog_name="drorch", standalone_mode=False)
        found: dict[str, Any] = json.loads(told.getvalue())
        return found


def shown(prompt: str, arguments: Sequence[str]) -> list[str]:
    """Return a command in lines of at most 80 columns that can be pasted; an option keeps its value beside it."""
    parts: list[str] = []
    for word in arguments:
        quoted = shlex.quote(word)
        if parts and parts[-1].startswith("--") and " " not in parts[-1] and not word.startswith("--"):
            parts[-1] += f" {quoted}"
        else:
            parts.append(quoted)
    lines = [prompt]
    for part in parts:
        if len(lines[-1]) + len(part) > WIDTH - 3:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {part}"
    return lines


def path_lines() -> list[str]:
    """Return what makes a shell find this drorch, if it does not yet."""
    program = Path(sys.executable).parent / "drorch"
    known = shutil.which("drorch")
    if not program.is_file() or (known and Path(known).resolve() == program.resolve()):
        return []
    return [f"  export PATH={shlex.quote(str(program.parent))}:$PATH"]


def script(statements: Iterable[str]) -> Iterator[str]:
    """Yield statements with what ends them."""
    for statement in statements:
        yield f"{statement};\n"


def first_differences(words: str) -> str:
    """Return what the comparer names below its first line: at most three differences, each in a few lines."""
    return "\n".join(textwrap.shorten(line, 400, placeholder=" ...") for line in words.splitlines()[1:4]) or words


def in_yaml(path: Path) -> str:
    """Return a path as YAML reads it."""
    text = str(path)
    return text if re.fullmatch(r"[\w./-]+", text) else json.dumps(text, ensure_ascii=False)
