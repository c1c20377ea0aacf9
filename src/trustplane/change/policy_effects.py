"""What becomes allowed and denied where a policy decides, exactly, in sentences with an example each."""

from __future__ import annotations

from collections.abc import Iterator

from trustplane.change.described import Kind
from trustplane.change.effect import Effect, Subject
from trustplane.policy.comparison import Change, caller_names, changes_of
from trustplane.registry.model import DesiredState
from trustplane.spiffe.names import ServiceName

_MOST_NAMED = 5


def decided_by_policy(*states: DesiredState | None) -> frozenset[ServiceName]:
    """The services about which one of the states has a policy; what callers declare says nothing about those."""
    return frozenset(name for state in states if state for name in state.policies)


def of_policies(old: DesiredState | None, new: DesiredState) -> Iterator[tuple[Subject, Effect]]:
    """A caller let in is dangerous, unless the service itself is new."""
    for name in sorted(decided_by_policy(old, new)):
        is_new = old is None or name not in old.services
        for change in changes_of(old, new, name):
            dangerous = change.region.newly_allowed and not is_new
            yield (Kind.POLICY, str(name)), Effect(_sentence(change, new), dangerous=dangerous)


def _sentence(change: Change, new: DesiredState) -> str:
    region = change.region
    names = caller_names(new, region)
    callers = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else "")
    what = change.operation or "requests that are no operation"
    headers = "".join(f" with {name}: {value}" for name, value in region.request.headers)
    example = f"for example {region.request.method} {region.request.path}{headers}"
    if region.newly_allowed:
        return f"newly allowed: {what} by {callers}, {example}; by rule {region.after}"
    return f"newly denied: {what} by {callers}, {example}; until now by rule {region.before}"
