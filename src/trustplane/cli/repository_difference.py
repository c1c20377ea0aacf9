"""A plan as people read it."""

from __future__ import annotations

from trustplane.wire.http_shapes import FieldChangeShape, PlanShape

_MARKS = {"added": "+", "changed": "~", "removed": "-"}


def text(plan: PlanShape) -> str:
    """One block per changed thing: its fields, its effects (`!` where dangerous); then a closing count."""
    against = f"revision {plan.against}" if plan.against is not None else "nothing"
    notes = [f"note: {one}" for one in plan.notes]
    if plan.unchanged:
        return "\n".join([f"no change against {against}", *notes])
    lines = []
    for item in plan.items:
        lines.append(f"{_MARKS[item.move]} {item.kind} {item.name}")
        lines += [f"    {_field(one)}" for one in item.fields]
        lines += [f"  {'!' if one.dangerous else '>'} {one.text}" for one in item.effects]
    counts = ", ".join(f"{sum(one.move == move for one in plan.items)} {move}" for move in _MARKS)
    dangerous = sum(one.dangerous for item in plan.items for one in item.effects)
    lines.append(f"\nagainst {against}: {counts}" + (f"; {dangerous} dangerous, marked !" if dangerous else ""))
    return "\n".join([*lines, *notes])


def _field(change: FieldChangeShape) -> str:
    match change.old, change.new:
        case "", new:
            return f"{change.field}: {new}"
        case old, "":
            return f"{change.field}: {old} is gone"
        case old, new:
            return f"{change.field}: {old} -> {new}"
