"""What ended a process, out of the group its tasks ended in."""

from __future__ import annotations

from trustplane.fault import Fault


def first_fault(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first fault of ours in `group`, else the group as it is."""
    matching = group.subgroup(Fault)
    while isinstance(matching, BaseExceptionGroup):
        first = matching.exceptions[0]
        if not isinstance(first, BaseExceptionGroup):
            return first
        matching = first
    return group
