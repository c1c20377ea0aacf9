"""YAML as a tree of texts with places, from bytes nobody has looked at.

Only mappings, lists and texts: no anchors, aliases, tags, merge keys or second documents. So nothing expands, and
nothing is converted behind the writer's back: `no` and `010` stay texts until a reader asks for a type. Bounded in
bytes, depth and entries; the parser is fed lazily, so a bound is met before the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from trustplane.fault import Place, Refused
from trustplane.registry.findings import Findings, shown

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_ENTRIES = 5_000  # of one mapping or list

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel has it


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    fields: dict[str, tuple[Text, Node]]
    place: Place


Node: TypeAlias = Text | Items | Mapping


def parse(file: str, content: bytes, findings: Findings) -> Node | None:
    """The file's tree; none if there is none to be had, which `findings` then explains."""
    start = Place(file, 1)
    with findings.at(start):
        text = readable(file, content)
        try:
            return _Builder(file, yaml.parse(text, Loader=_Loader), findings).document()
        except yaml.YAMLError as error:
            raise _syntax(file, error) from error
    return None


def locate(node: Node, *path: str) -> Place:
    """The place of the key or list item that `path` names, as deep as the tree goes."""
    place = node.place
    for step in path:
        match node:
            case Mapping(fields) if step in fields:
                key, node = fields[step]
                place = key.place
            case Items(items):
                place = next((item.place for item in items if isinstance(item, Text) and item.text == step), place)
                break
            case _:
                break
    return place


def readable(file: str, content: bytes) -> str:
    """Text of a bounded size in which nothing is hidden."""
    if len(content) > MAX_BYTES:
        raise Refused(
            code="file-too-large",
            what=f"{shown(file)} has more than {MAX_BYTES // 1024} KiB",
            why="files of a trust repository are small, and what is read must be bounded",
            fix="split it, or remove what does not belong there",
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Refused(
            code="not-utf8",
            what=f"byte {error.start} of {shown(file)} is not UTF-8",
            why="the files of a trust repository are UTF-8 text",
            fix="save the file as UTF-8",
            place=Place(file, line),
        ) from error
    _check_characters(file, text)
    return text


def _check_characters(file: str, text: str) -> None:
    """Nothing a reviewer cannot see: no control or formatting characters, also none in comments."""
    for number, line in enumerate(text.split("\n"), start=1):
        visible = line.removesuffix("\r").replace("\t", " ")
        if not visible.isprintable():
            column = next(at for at, one in enumerate(visible, start=1) if not one.isprintable())
            raise Refused(
                code="invisible-character",
                what=f"the character {visible[column - 1]!r} cannot be seen",
                why="what a reviewer sees must be what takes effect",
                fix="remove it; a byte order mark at the start of a file goes away when saved as plain UTF-8",
                place=Place(file, number, column),
            )


def _syntax(file: str, error: yaml.YAMLError) -> Refused:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return Refused(
        code="bad-yaml",
        what=f"{shown(file)} is not YAML: {shown(problem)}",
        why="a file that cannot be parsed decides nothing",
        fix="check the indentation, colons and quotes at this place; indent with spaces",
        place=Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1),
    )


def _hostile(what: str, place: Place) -> Refused:
    return Refused(
        code="yaml-feature",
        what=what,
        why="a trust repository is read by people: every value stands where it takes effect",
        fix="write the value out",
        place=place,
    )


class _Builder:
    """From parser events to the tree. The depth is bounded, so recursion is."""

    def __init__(self, file: str, events: Iterator[yaml.Event], findings: Findings) -> None:
        self._file = file
        self._events = events
        self._findings = findings

    def document(self) -> Node:
        next(self._events)  # the stream starts
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise Refused(
                code="empty-file",
                what=f"{shown(self._file)} says nothing",
                why="an empty file is more likely a mistake than a decision",
                fix="fill it in or remove it",
            )
        node = self._node(next(self._events), depth=1)
        next(self._events)  # the document ends
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise _hostile("a second document starts here", self._place(event))
        return node

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = self._place(event)
        if depth > MAX_DEPTH:
            raise Refused(
                code="nested-too-deeply",
                what=f"this is nested more than {MAX_DEPTH} levels deep",
                why="no file of a trust repository needs that, and what is read must be bounded",
                fix="flatten it",
                place=place,
            )
        match event:
            case yaml.AliasEvent():
                raise _hostile(f"*{shown(str(event.anchor))} is an alias", place)
            case yaml.NodeEvent(anchor=str(anchor)):
                raise _hostile(f"&{shown(anchor)} is an anchor", place)
            case yaml.ScalarEvent(tag=str(tag)) | yaml.CollectionStartEvent(tag=str(tag)):
                raise _hostile(f"{shown(tag)} is a tag", place)
            case yaml.ScalarEvent():
                return self._scalar(event, place)
            case yaml.SequenceStartEvent():
                return self._items(place, depth)
            case _:
                return self._mapping(place, depth)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Text:
        if not event.value.isprintable():
            raise Refused(
                code="invisible-character",
                what=f"{shown(event.value)} is not one line of printable text",
                why="values are names, numbers and paths, and are printed to terminals and logs",
                fix="write it on one line without escapes",
                place=place,
            )
        return Text(event.value, place)

    def _items(self, place: Place, depth: int) -> Items:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
            self._check_count(len(items), place)
        return Items(tuple(items), place)

    def _mapping(self, place: Place, depth: int) -> Mapping:
        fields: dict[str, tuple[Text, Node]] = {}
        count = 0
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            count += 1
            self._check_count(count, place)
            if key.text in fields:
                self._duplicate(key, fields[key.text][0].place)
            else:
                fields[key.text] = (key, value)
        return Mapping(fields, place)

    def _key(self, event: yaml.Event, depth: int) -> Text:
        key = self._node(event, depth)
        if not isinstance(key, Text):
            raise _hostile("this key is a list or mapping", key.place)
        if key.text == "<<":
            raise _hostile("<< is a merge key", key.place)
        return key

    def _duplicate(self, key: Text, first: Place) -> None:
        self._findings.add(
            code="duplicate-key",
            what=f"{shown(key.text)} is here twice; first in line {first.line}",
            why="one of the two would be ignored, and readers would disagree which",
            fix="keep one of them",
            place=key.place,
        )

    def _check_count(self, count: int, place: Place) -> None:
        if count > MAX_ENTRIES:
            raise Refused(
                code="too-many-entries",
                what=f"this has more than {MAX_ENTRIES} entries",
                why="what is read must be bounded",
                fix="split it",
                place=place,
            )

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file, 1)
