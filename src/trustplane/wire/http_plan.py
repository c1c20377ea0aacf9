"""A plan as a body."""

from __future__ import annotations

from trustplane.change.plan import Item, Plan
from trustplane.wire.http_shapes import EffectShape, FieldChangeShape, PlanItemShape, PlanShape


def plan_shape(plan: Plan, against: int | None) -> PlanShape:
    return PlanShape(
        against=against,
        unchanged=plan.is_empty,
        dangerous=plan.is_dangerous,
        items=tuple(_item_shape(item) for item in plan.items),
        notes=plan.notes,
    )


def _item_shape(item: Item) -> PlanItemShape:
    return PlanItemShape(
        kind=item.kind.value,
        name=item.name,
        move=item.move.value,
        dangerous=item.is_dangerous,
        fields=tuple(FieldChangeShape(field=one.field, old=one.old, new=one.new) for one in item.fields),
        effects=tuple(EffectShape(text=one.text, dangerous=one.dangerous) for one in item.effects),
    )
