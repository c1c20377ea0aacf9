"""A plan as a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trustplane.wire.http_shapes import PlanShape

if TYPE_CHECKING:
    from trustplane.change.plan import Plan


def plan_shape(plan: Plan, against: int | None) -> PlanShape:
    raise NotImplementedError
