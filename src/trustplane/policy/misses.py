"""Requests that nearly meet a rule: another method, a path one segment off, a sibling, another domain, a header twice.

They are where a rule that was compiled or enforced a little wrongly shows first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

from trustplane.policy.access import Access
from trustplane.policy.compile import grants
from trustplane.policy.difference import difference, within
from trustplane.policy.rules import RuleSet, offered
from trustplane.policy.target import is_normal
from trustplane.policy.tree import Request
from trustplane.registry.model import DesiredState
from trustplane.spiffe.ids import SpiffeId, TrustDomain

NEAREST = 12  # by name, to each side
MOST_SPOKEN_OF = 64
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


def near_misses(state: DesiredState, rules: RuleSet, port: int) -> tuple[Request, ...]:
    """Around one request for each rule and operation, which is among them; each once, in a fixed order."""
    siblings = Siblings(state, rules)
    return tuple(dict.fromkeys(miss for hit in _hits(rules, port) for miss in (hit, *_around(siblings, hit))))


def _hits(rules: RuleSet, port: int) -> Iterator[Request]:
    """The shortest request that meets each rule, for each of its operations."""
    for rule in rules.rules:
        for operation in rule.operations:
            met = within(Access((), tuple(grants(rule))), offered(operation))
            yield from (region.request for region in difference(_NOTHING_ALLOWED, met, port))


_NOTHING_ALLOWED = Access((), ())


def _around(siblings: Siblings, hit: Request) -> Iterator[Request]:
    yield from (replace(hit, method=method) for method in _METHODS)
    yield from (replace(hit, path=path) for path in _paths(hit.path) if is_normal(path))
    yield from (replace(hit, caller=caller) for caller in _callers(siblings, hit.caller))
    for name, value in hit.headers:
        others = tuple(line for line in hit.headers if line != (name, value))
        yield replace(hit, headers=others)
        yield replace(hit, headers=(*hit.headers, (name, value)))
        yield replace(hit, headers=(*others, (name, value + "x")))
        yield replace(hit, headers=(*others, (name, f"{value}, {value}")))
        yield replace(hit, headers=(*hit.headers, (name, "other")))


def _paths(path: str) -> Iterator[str]:
    parent = path.rstrip("/").rpartition("/")[0]
    yield from (path + "/", path + "x", path + "/x", parent + "/", parent or "/", path.upper(), path + ".", path + ";x")
    yield from (path.rstrip("/") or "/", path + "%20", f"{parent}/x")


def _callers(siblings: Siblings, caller: SpiffeId) -> Iterator[SpiffeId]:
    yield from siblings.of(caller)
    yield SpiffeId(TrustDomain("elsewhere.example"), caller.path)
    yield SpiffeId(TrustDomain(caller.trust_domain.name + ".evil"), caller.path)
    yield SpiffeId(caller.trust_domain, (*caller.path, "x"))
    yield SpiffeId(caller.trust_domain, (*caller.path[:-1], caller.path[-1] + "-evil"))


class Siblings:
    """Services that one could be taken for: all that the rules name, and of others only the nearest, so that the
    misses of one service do not grow with the repository."""

    def __init__(self, state: DesiredState, rules: RuleSet) -> None:
        self._names = {one.spiffe_id: one.name for one in state.services.values()}
        self._ids = {name: one for one, name in self._names.items()}
        self._by_name = sorted(self._ids)
        spoken = {one for rule in rules.rules for one in rule.who.ids | rule.who.without}
        self._spoken = sorted(spoken & self._names.keys())[:MOST_SPOKEN_OF]

    def of(self, caller: SpiffeId) -> tuple[SpiffeId, ...]:
        """Those of the same namespace first."""
        own = self._names.get(caller)
        if own is None:
            return ()
        at = bisect_left(self._by_name, own)
        near = self._by_name[max(0, at - NEAREST) : at + NEAREST + 1]
        namesakes = [one for one in self._by_name if one.name == own.name][:NEAREST]
        found = dict.fromkeys([*self._spoken, *(self._ids[one] for one in (*near, *namesakes))])
        return tuple(sorted(found, key=lambda one: (self._names[one].namespace != own.namespace, one)))
