"""Which declared operation a decision was about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trustplane.registry.model import Operation
from trustplane.verdict.decision import DecisionKind


def named(kind: DecisionKind, operations: Iterable[Operation]) -> DecisionKind:
    """With the operation it is: of several a whole path, else the longest beginning."""
    found = [one for one in operations if _is(one, kind)]
    best = max(found, key=lambda one: (not one.path.endswith("/*"), len(one.path), one.name), default=None)
    return replace(kind, operation=best.name if best else None)


def _is(operation: Operation, kind: DecisionKind) -> bool:
    """Of a folded path only how it starts is known, and that it is no other than one with a single reading."""
    if operation.method != kind.method:
        return False
    if operation.path.endswith("/*"):
        return kind.path.plain and kind.path.text.startswith(operation.path[:-1])
    return not kind.path.folded and operation.path == kind.path.text
