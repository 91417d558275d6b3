"""Text -> policies, or every problem at once. The only reader of YAML; takes bytes, opens nothing.

YAML 1.2 without what a sysadmin does not need: no anchors, aliases, tags, directives or second documents, no key
twice. Types are not guessed: a value is text until the field that it belongs to reads it. So ``00678`` cannot
lose its zeros unseen, and ``no`` is never a boolean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

from drorch.policy.assembly import LoadedPolicies, PolicyFile, SettingsFacts, assemble
from drorch.policy.encoding import UNPRINTABLE, decoded
from drorch.policy.fan_out import ListLine, read_list
from drorch.policy.kinds import nearest, shown
from drorch.policy.nodes import Listing, Node, Scalar, Section
from drorch.policy.problems import Place, Problems
from drorch.quantities import counted

_DEEPEST = 12
_LONGEST_SCALAR = 20_000
_TAB_INDENT = re.compile(r"^ *\t", re.MULTILINE)
_MESSAGES = (
    ("found character '\\t'", "a tab stands where only spaces may; indent with spaces"),
    ("that cannot start any token", "a value may not start with this character; put the value in quotes"),
    (
        "mapping values are not allowed",
        "a second `: ` stands in the line; put the value in quotes, or mend the indentation",
    ),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("could not find expected ':'", "this line has no `key: value`; is the colon missing?"),
    ("unexpected end of stream", "the quote that opens here is not closed"),
    ("expected ',' or", "the bracket that opens here is not closed, or a comma is missing"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """One policy file as it was read. ``file`` is what problems show: ``policies/land.yaml``."""

    file: str
    content: bytes


class _Refused(Exception):
    """The document cannot be read on; the problem was told."""


def load_policies(
    files: Sequence[PolicyText],
    defaults: Section | None,
    settings_facts: SettingsFacts,
    lists: Mapping[str, PolicyText] = MappingProxyType({}),
) -> LoadedPolicies:
    """Return every policy of ``files`` that is whole, and every problem of all of them.

    ``defaults`` is laid under each policy (``defaults:`` of drorch.yaml as read by ``read_yaml``). ``lists`` holds
    the CSV files beside the policies by name, for ``for_each``.
    """
    problems = Problems()
    sections: list[PolicyFile] = []
    read_lists: dict[str, tuple[ListLine, ...]] = {}
    used_lists: set[str] = set()
    for text in files:
        section = read_yaml(text.file, text.content, problems)
        if section is None:
            continue
        lines: tuple[ListLine, ...] | None = None
        list_file = ""
        wanted = section.get("for_each")
        if isinstance(wanted, Scalar) and wanted.text:
            lines = _lines_of(wanted, lists, read_lists, problems)
            list_file = lists[wanted.text].file if wanted.text in lists else ""
            used_lists.add(list_file)
        sections.append(PolicyFile(file=text.file, section=section, lines=lines, list_file=list_file))
    file_count = len(files) + len(used_lists - {""}) + (defaults is not None)
    return assemble(sections, defaults, settings_facts, problems, file_count=file_count)


def _lines_of(
    wanted: Scalar,
    lists: Mapping[str, PolicyText],
    read_lists: dict[str, tuple[ListLine, ...]],
    problems: Problems,
) -> tuple[ListLine, ...]:
    name = wanted.text
    if name not in lists:
        problems.add(wanted.place, f"no list {shown(name)} beside the policy{nearest(name, list(lists))}")
        return ()
    if name not in read_lists:
        read_lists[name] = read_list(lists[name].file, lists[name].content, problems)
    return read_lists[name]


def read_yaml(file: str, content: bytes, problems: Problems) -> Section | None:
    """Return the map that a YAML file holds; ``None`` after telling why it holds none."""
    text = decoded(file, content, problems)
    if text is None:
        return None
    reader = _Reader(file, problems)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            reader.take(event)
    except _Refused:
        return None
    except YAMLError as error:
        _tell_error(file, text, error, problems)
        return None
    except (ValueError, OverflowError, LookupError, AttributeError, TypeError, AssertionError) as error:
        problems.add(reader.last, f"not YAML here or soon after ({type(error).__name__} in the YAML reader)")
        return None
    return reader.section()


def _tell_error(file: str, text: str, error: YAMLError, problems: Problems) -> None:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        problems.add(place, f"a character that YAML does not allow: U+{ord(text[error.position]):04X}")
        return
    reason = str(getattr(error, "problem", "") or "")
    place = Place(file, 1, 1)
    if isinstance(error, MarkedYAMLError):
        is_about_start = error.context_mark is not None and ("end of stream" in reason or "expected ','" in reason)
        mark = error.context_mark if is_about_start else error.problem_mark or error.context_mark
        if mark is not None:
            place = Place(file, mark.line + 1, mark.column + 1)
    for sign, message in _MESSAGES:
        if sign in reason:
            problems.add(place, message)
            break
    else:  # words in quotes come from the file, and might be a secret
        problems.add(place, "not YAML: " + (re.sub("'[^']{2,}'", "...", reason) or "cannot be read"))
    if "'\\t'" in reason:
        for match in _TAB_INDENT.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            problems.add(Place(file, line, match.end() - match.start()), _MESSAGES[0][1])


@dataclass(slots=True)
class _Open:
    """A map or list that has not ended yet."""

    place: Place
    is_map: bool
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    key: str | None = None
    is_twin: bool = False


class _Reader:
    """Puts the events of a YAML stream together."""

    def __init__(self, file: str, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self.last = Place(file, 1, 1)

    def section(self) -> Section | None:
        """Return the whole document; ``None`` after telling why it is no map."""
        if isinstance(self._root, Section):
            return self._root
        if self._root is None or (isinstance(self._root, Scalar) and not self._root.text):
            self._problems.add(Place(self._file, 1, 1), "the file is empty")
        else:
            self._problems.add(self._root.place, "the file is no map; write `key: value` lines")
        return None

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, DocumentStartEvent):
            self._begin_document(event)
        elif isinstance(event, CollectionEndEvent):
            self._end_collection()
        elif isinstance(event, NodeEvent):
            self.last = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
            self._take_node(event)

    def _begin_document(self, event: DocumentStartEvent) -> None:
        place = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
        self._documents += 1
        if self._documents > 1:
            raise self._refused(place, "a second document starts here; one file holds one")
        if event.version is not None or event.tags:
            raise self._refused(place, "directives (`%`) are not used")

    def _take_node(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise self._refused(
                self.last, "anchors and aliases (`&`, `*`) are not used; write the value again or put it in quotes"
            )
        if getattr(event, "tag", None) is not None and not (isinstance(event, ScalarEvent) and event.implicit[1]):
            raise self._refused(self.last, "tags (`!`) are not used; put the value in quotes")
        if isinstance(event, ScalarEvent):
            scalar = self._scalar(event)
            if self._awaits_key():
                self._take_key(scalar.text)
            else:
                self._put(scalar)
            return
        if self._awaits_key():
            raise self._refused(self.last, "a key is one word, not a list or a map")
        if len(self._open) >= _DEEPEST:
            raise self._refused(self.last, f"maps and lists are nested deeper than {_DEEPEST}")
        self._open.append(_Open(place=self.last, is_map=isinstance(event, MappingStartEvent)))

    def _scalar(self, event: ScalarEvent) -> Scalar:
        text: str = event.value
        if len(text) > _LONGEST_SCALAR:
            raise self._refused(
                self.last, f"the value has {counted(len(text), 'character')}; at most {_LONGEST_SCALAR:,} are read"
            )
        unprintable = UNPRINTABLE.search(text)
        if unprintable:
            raise self._refused(self.last, f"a character that does not print stands here: U+{ord(unprintable[0]):04X}")
        is_plain = bool(event.implicit[0])
        if is_plain and not text and self._open and self._open[-1].key is not None:
            # YAML finds out that nothing follows a key only at the next token, which may be lines below.
            return Scalar(self._open[-1].keys[self._open[-1].key], text)
        return Scalar(self.last, text, is_plain=is_plain)

    def _awaits_key(self) -> bool:
        return bool(self._open) and self._open[-1].is_map and self._open[-1].key is None

    def _take_key(self, text: str) -> None:
        current = self._open[-1]
        key = unicodedata.normalize("NFC", text)
        current.key = key
        current.is_twin = key in current.entries
        if current.is_twin:
            first = current.keys[key]
            self._problems.add(self.last, f"{shown(key)} stands twice; the first is in line {first.line}")
        else:
            current.keys[key] = self.last

    def _put(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        current = self._open[-1]
        if not current.is_map:
            current.items.append(node)
            return
        assert current.key is not None
        if not current.is_twin:
            current.entries[current.key] = node
        current.key = None

    def _end_collection(self) -> None:
        ended = self._open.pop()
        self._put(
            Section(ended.place, ended.entries, ended.keys)
            if ended.is_map
            else Listing(ended.place, tuple(ended.items))
        )

    def _refused(self, place: Place, message: str) -> _Refused:
        self._problems.add(place, message)
        return _Refused()
