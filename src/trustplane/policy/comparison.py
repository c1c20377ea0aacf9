"""Two readings of a trust repository: what the second allows that the first does not, and the other way round.

By service and operation, each with the callers and the shortest request. A service that is in one of them only is
compared with nothing, which lets nobody in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trustplane.policy.access import Access
from trustplane.policy.book import Book
from trustplane.policy.compile import OUTSIDE, compiled
from trustplane.policy.difference import Region, difference, within
from trustplane.policy.explanation import name_of
from trustplane.policy.rules import offered, probes_of
from trustplane.policy.tree import any_of, negated
from trustplane.registry.model import DesiredState, Operation
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName

_NOBODY = Access((), ())


@dataclass(frozen=True, slots=True)
class Change:
    """`operation` is none where the requests are no declared operation."""

    service: ServiceName
    operation: str | None
    region: Region


def compare(before: Book, after: Book) -> Iterator[Change]:
    for name in sorted({*before.state.services, *after.state.services}):
        old, new = access_of(before, name), access_of(after, name)
        if old == new:
            continue
        port = _port(after, name) or _port(before, name)
        offers = sorted({one for book in (before, after) for one in _operations(book, name)})
        for operation in offers:
            part = offered(operation)
            for region in difference(within(old, part), within(new, part), port):
                yield Change(name, operation.name, region)
        part = negated(any_of(*map(offered, offers)))
        for region in difference(within(old, part), within(new, part), port):
            yield Change(name, None, region)


def access_of(book: Book, name: ServiceName) -> Access:
    if name not in book.policies:
        return _NOBODY
    return compiled(book.rules_of(name), probes_of(book.state, book.state.services[name]))


def caller_names(state: DesiredState, region: Region) -> tuple[str, ...]:
    """Registered services by name; identities that stand for others in words."""
    return tuple(dict.fromkeys(_caller_name(state, one) for one in region.callers))


def _caller_name(state: DesiredState, caller: SpiffeId) -> str:
    if caller == OUTSIDE:
        return "any identity of a trust domain that no rule names"
    if caller.path[:1] == ("any-other",):
        return f"any other identity of {caller.trust_domain}"
    return name_of(state, caller)


def _operations(book: Book, name: ServiceName) -> tuple[Operation, ...]:
    return book.state.services[name].operations if name in book.state.services else ()


def _port(book: Book, name: ServiceName) -> int:
    service = book.state.services.get(name)
    return service.ports.mesh if service and service.ports else 0
