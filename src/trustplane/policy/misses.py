"""Requests that nearly meet a rule: another method, a path one segment off, a sibling, another domain, a header twice.

They are where a rule that was compiled or enforced a little wrongly shows first.
"""

from __future__ import annotations

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

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


def near_misses(state: DesiredState, rules: RuleSet, port: int) -> tuple[Request, ...]:
    """Around one request for each rule and operation, which is among them; each once, in a fixed order."""
    return tuple(dict.fromkeys(miss for hit in _hits(rules, port) for miss in (hit, *_around(state, hit))))


def _hits(rules: RuleSet, port: int) -> Iterator[Request]:
    """The shortest request that meets each rule, for each of its operations."""
    for rule in rules.rules:
        for operation in rule.operations:
            met = within(Access((), tuple(grants(rule))), offered(operation))
            yield from (region.request for region in difference(_NOTHING_ALLOWED, met, port))


_NOTHING_ALLOWED = Access((), ())


def _around(state: DesiredState, hit: Request) -> Iterator[Request]:
    yield from (replace(hit, method=method) for method in _METHODS)
    yield from (replace(hit, path=path) for path in _paths(hit.path) if is_normal(path))
    yield from (replace(hit, caller=caller) for caller in _callers(state, hit.caller))
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


def _callers(state: DesiredState, caller: SpiffeId) -> Iterator[SpiffeId]:
    names = {one.spiffe_id: one.name for one in state.services.values()}
    own = names.get(caller)
    yield from (one for one, name in sorted(names.items()) if own and name.namespace == own.namespace)
    yield from (one for one, name in sorted(names.items()) if own and name.namespace != own.namespace)
    yield SpiffeId(TrustDomain("elsewhere.example"), caller.path)
    yield SpiffeId(TrustDomain(caller.trust_domain.name + ".evil"), caller.path)
    yield SpiffeId(caller.trust_domain, (*caller.path, "x"))
    yield SpiffeId(caller.trust_domain, (*caller.path[:-1], caller.path[-1] + "-evil"))
