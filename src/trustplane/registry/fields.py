"""Reading typed values out of a YAML tree: each reader takes a node and returns a value or refuses with the place.

Every scalar is text until a reader asks for a number, a duration or a name, so YAML's own guesses (`no`, `010`, `1:30`)
never take part.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TypeVar

from trustplane.fault import Place, Refused
from trustplane.registry.findings import Findings, shown
from trustplane.registry.yaml_tree import Items, Mapping, Node, Text

T = TypeVar("T")
Default = TypeVar("Default")

_INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")
_DURATION = re.compile(r"([1-9][0-9]{0,6})(s|m|h|d)")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_MAX_UNKNOWN_SHOWN = 20
_MAX_GUESSED = 64  # characters; matching longer keys costs more than it helps


def nearest(word: str, known: Collection[str]) -> str:
    """` (did you mean x?)`, or nothing."""
    if len(word) > _MAX_GUESSED:
        return ""
    found = difflib.get_close_matches(word, sorted(known)[:1_000], n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def wrong_type(expected: str, node: Node) -> Refused:
    found = {Text: "text", Items: "a list", Mapping: "a mapping"}[type(node)]
    if isinstance(node, Text):
        found = f"{shown(node.text)!r}" if node.text else "nothing"
    return Refused(
        code="wrong-type",
        what=f"this must be {expected}, and is {found}",
        why="each key has one kind of value",
        fix=f"write {expected}, or remove the key",
        place=node.place,
    )


def text(node: Node) -> str:
    match node:
        case Text(value) if value:
            return value
        case _:
            raise wrong_type("a text", node)


def integer(node: Node) -> int:
    match node:
        case Text(value) if _INTEGER.fullmatch(value):
            return int(value)
        case _:
            raise wrong_type("a whole number such as 8080", node)


def duration(node: Node) -> timedelta:
    match node:
        case Text(value) if found := _DURATION.fullmatch(value):
            return int(found[1]) * _UNITS[found[2]]
        case _:
            raise wrong_type("a duration such as 60s, 15m, 1h or 30d", node)


def each(node: Node, read: Callable[[Node], T], findings: Findings) -> tuple[T, ...]:
    """The items of a list; what a single item refuses is collected."""
    if not isinstance(node, Items):
        raise wrong_type("a list such as [a, b]", node)
    values: dict[T, Place] = {}
    for item in node.items:
        with findings.at(item.place):
            value = read(item)
            if value in values:
                raise Refused(
                    code="duplicate-item",
                    what=f"this is in the list twice; first in line {values[value].line}",
                    why="a list here is a set, and a second mention is a mistake or a leftover",
                    fix="keep one of them",
                )
            values[value] = item.place
    return tuple(values)


def one_of(choices: Collection[str]) -> Callable[[Node], str]:
    def read(node: Node) -> str:
        value = text(node)
        if value not in choices:
            raise Refused(
                code="unknown-value",
                what=f"{shown(value)} is none of {', '.join(sorted(choices))}{nearest(value, choices)}",
                why="a value nobody knows would have no effect",
                fix="write one of the values listed",
                place=node.place,
            )
        return value

    return read


class Fields:
    """One mapping with a closed set of keys."""

    def __init__(self, node: Node, known: Collection[str], findings: Findings) -> None:
        self._findings = findings
        self._place = node.place
        if not isinstance(node, Mapping):
            raise wrong_type(f"a mapping with keys such as {min(known)}", node)
        self._fields = node.fields
        unknown = [key for name, (key, _) in node.fields.items() if name not in known]
        for key in unknown[:_MAX_UNKNOWN_SHOWN]:
            findings.add(
                code="unknown-key",
                what=f"{shown(key.text)!r} is no key here{nearest(key.text, known)}",
                why="a key nobody reads would look as if it had an effect",
                fix=f"use one of {', '.join(sorted(known))}",
                place=key.place,
            )

    def optional(self, name: str, read: Callable[[Node], T], default: Default) -> T | Default:
        """The value, or `default` if the key is missing or its value was refused, which `findings` then knows."""
        found = self._fields.get(name)
        if found is None:
            return default
        _, node = found
        with self._findings.at(node.place):
            return read(node)
        return default

    def required(self, name: str, read: Callable[[Node], T], example: str) -> T | None:
        if name not in self._fields:
            self._findings.add(
                code="missing-key",
                what=f"{name} is missing",
                why="it has no sensible default",
                fix=f"write for example {name}: {example}",
                place=self._place,
            )
        return self.optional(name, read, None)
