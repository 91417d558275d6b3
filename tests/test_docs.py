"""What the documents say is what the repository does."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from drorch.cli.main import COMMANDS, root
from tools.generate_docs import GENERATORS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "policies/README.md", ROOT / "restore_tests/README.md"]
# Where people are told what to type; decisions also speak of commands to come.
TEXTS = sorted(
    path.relative_to(ROOT)
    for path in [*PAGES, *ROOT.glob("drorch/**/*.py"), *ROOT.glob("docs/help/*"), *ROOT.glob("policies/**/*.yaml")]
    if "adr" not in path.parts
)
NO_COMMANDS = {"sqlite", "host", "private", "files/1"}  # first lines of files and streams: `drorch host key 1`


def every_command() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        yield (name,), command
        if isinstance(command, click.Group):
            yield from (((name, word), below) for word, below in command.commands.items())


EVERY_COMMAND = dict(every_command())


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        if "://" in link:
            continue
        if not target.exists() or (heading and heading not in headings(target)):
            broken.append(link)
    assert broken == []


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_is_on_some_page(path: tuple[str, ...]) -> None:
    words = " ".join(("drorch", *path))
    pages = [page for page in PAGES if re.search(rf"{words}\b", page.read_text(encoding="utf-8"))]
    assert pages, f"no page says {words}"


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_says_what_it_is_for_with_an_example_that_it_takes(path: tuple[str, ...]) -> None:
    command = EVERY_COMMAND[path]
    assert command.help
    example = (command.epilog or "").removeprefix("Example: ")
    assert f"drorch {' '.join(path)}" in example
    assert misused(re.search(r"drorch [^|>)\"]*", example)[0]) == ""  # type: ignore[index]


@pytest.mark.parametrize("name", TEXTS, ids=str)
def test_commands_that_are_named_exist_and_have_the_options_named(name: Path) -> None:
    """In pages, in hints and in what the demo shows: nobody is sent to a command that this version does not have."""
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"``?(drorch [a-z][^`\n]*)``?", text)
    named += re.findall(r"^(?:    |\$ |  \d\. )(drorch [a-z](?:[^\n]*\\\n)*[^\n]*)$", text, re.MULTILINE)
    assert [complaint for line in named if (complaint := misused(line))] == []


def misused(line: str) -> str:
    """Return what is wrong with a command line of a text, whose words in capitals and braces may be anything."""
    words = re.split(r"[|>;#(]", line.replace("\\\n", " "))[0].split()[1:]
    if words[0] not in COMMANDS:
        return "" if words[0] in NO_COMMANDS else f"{line}: no such command"
    path: tuple[str, ...] = (words[0],)
    command = EVERY_COMMAND[path]
    default = getattr(command, "default_command", None)
    if default is not None and (words[1:] or ["-"])[0].split("|")[0] not in {
        below for _, *rest in EVERY_COMMAND for below in rest
    }:
        command = EVERY_COMMAND[words[0], default]
    elif isinstance(command, click.Group) and len(words) > 1 and words[1][0].islower():
        path = (words[0], words[1].split("|")[0])
        if path not in EVERY_COMMAND:
            return f"{line}: no such command"
        command = EVERY_COMMAND[path]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [word for word in words if (option := re.match(r"--[a-z-]+", word)) and option[0] not in known]
    return f"{line}: unknown {unknown}" if unknown else ""


def test_the_search_for_commands_finds_what_it_is_for() -> None:
    assert "no such command" in misused("drorch snapshots-show ID")
    assert "no such command" in misused("drorch keys forge NAME")
    assert "--key" in misused("drorch snapshots --store URL --key FILE")
    assert misused("drorch restore latest:X --to URL \\\n  --plan | cat --no-such") == ""


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs/adr").glob("0*.md"):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix(f"# {page.name[:4]} ")
        assert f"| [{page.name[:4]}]({page.name}) | {title} |" in index


def test_no_page_names_a_registry_or_somebodys_workplace() -> None:
    forbidden = re.compile(r"(pypi|pythonhosted|debian|npmjs)\.org|^/work/|[ (\"]/work/", re.MULTILINE)
    assert [page.name for page in PAGES if forbidden.search(page.read_text(encoding="utf-8"))] == []


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


def test_no_line_of_help_is_wider_than_a_screen_or_cut_off() -> None:
    for path, command in {(): root, **EVERY_COMMAND}.items():
        context = click.Context(command, info_name=" ".join(("drorch", *path)), max_content_width=80)
        text = command.get_help(context)
        lines = [line for line in text.splitlines() if not line.startswith("Usage: ")]
        assert [line for line in lines if len(line) > 80 or line.endswith("...")] == []
