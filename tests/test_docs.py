"""What the documents say is what the repository does."""

import re
from pathlib import Path

import pytest

from tools.generate_docs import GENERATORS

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generated_file_is_current(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == GENERATORS[name](), "make it again with ./run docs"


def test_readme_names_the_two_commands_and_ci_calls_them() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert f"./run {command}" in readme
        assert command in ci
    assert "./run" in ci


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_no_lock_records_where_a_package_came_from() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index" not in text
        assert all("--hash=sha256:" in entry for entry in text.split("\n\n")[0].split("==")[1:])


def test_the_smaller_locks_agree_with_the_big_one() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if "==" in line}

    assert pins("runtime.txt") < pins("demo.txt") < pins("dev.txt")
