"""The selectors an entry may use, and what a sane value of each looks like.

A selector no attestor can ever yield would make an entry that nobody can get, so it is refused when it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from trustplane.fault import Refused
from trustplane.registry.fields import nearest, text
from trustplane.registry.findings import shown
from trustplane.registry.yaml_tree import Node
from trustplane.spiffe.selectors import Selector


@dataclass(frozen=True, slots=True)
class SelectorKind:
    """`single`: a process shows exactly one value of it, so two values tell two processes apart."""

    accepts: Callable[[str], object]
    example: str
    single: bool = True


_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_ABSOLUTE = re.compile(r"(/(?!\.{1,2}(/|$))[^/]+)+")  # as the kernel reports paths: no dot segments, no //
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,240}\.(service|scope|socket|mount|swap|slice)")
_HASH = re.compile(r"[0-9a-f]{64}")
_NO_ID = 2**32 - 1  # (uid_t) -1 is nobody's: chown(2)


def _is_id(value: str) -> bool:
    return bool(_DECIMAL.fullmatch(value)) and int(value) < _NO_ID


KINDS = {
    "unix:uid": SelectorKind(_is_id, "1001"),
    "unix:gid": SelectorKind(_is_id, "1001"),
    "unix:supplementary_gid": SelectorKind(_is_id, "1001", single=False),
    "unix:user": SelectorKind(_ACCOUNT.fullmatch, "payments"),
    "unix:group": SelectorKind(_ACCOUNT.fullmatch, "payments"),
    "unix:path": SelectorKind(_ABSOLUTE.fullmatch, "/usr/bin/payments"),
    "unix:sha256": SelectorKind(_HASH.fullmatch, "64 lower-case hex digits"),
    "systemd:unit": SelectorKind(_UNIT.fullmatch, "payments.service"),
    "cgroup:path": SelectorKind(_ABSOLUTE.fullmatch, "/system.slice/payments.service"),
}


def selector(node: Node) -> Selector:
    found = Selector.parse(text(node))
    kind = KINDS.get(found.kind)
    if kind is None:
        raise Refused(
            code="unknown-selector",
            what=f"no attestor yields {shown(found.kind)}{nearest(found.kind, KINDS)}",
            why="an entry with a selector that no process can show would never match",
            fix=f"use one of {', '.join(sorted(KINDS))}",
        )
    if not kind.accepts(found.value):
        raise Refused(
            code="bad-selector",
            what=f"{shown(found.value)} is not a value of {found.kind}",
            why="no process can show it, so the entry would never match",
            fix=f"write for example {found.kind}:{kind.example}",
        )
    return found
