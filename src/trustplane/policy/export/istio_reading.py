"""Istio's AuthorizationPolicy read back by its documented meaning: denials first, then what is allowed, then nothing.

It shares nothing with the writing but the tree. What it does not know it refuses, because a field that is not
understood could let somebody in. Lists mean any of their items, fields mean all of them; no rules match nothing, and a
workload that no ALLOW policy selects is open to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trustplane.fault import Broken
from trustplane.policy.access import Access, Grant
from trustplane.policy.tree import (
    ANYTHING,
    EVERYONE,
    Expression,
    HeaderIs,
    Method,
    Path,
    Port,
    Who,
    all_of,
    any_of,
    negated,
)
from trustplane.spiffe.ids import SpiffeId, TrustDomain


def access(manifests: Sequence[object]) -> Access:
    """Of the one workload they all select."""
    found: dict[str, list[Grant]] = {"DENY": [], "ALLOW": []}
    selects_allow = False
    for manifest in manifests:
        name, action, rules = _policy(manifest)
        selects_allow |= action == "ALLOW"
        for at, rule in enumerate(rules):
            found[action] += _grants(f"{name}#{at}", rule)
    if not selects_allow:
        found["ALLOW"].append(Grant("no-policy", EVERYONE, ANYTHING))
    return Access(tuple(found["DENY"]), tuple(found["ALLOW"]))


def _policy(manifest: object) -> tuple[str, str, Sequence[object]]:
    match manifest:
        case {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": str(name)},
            "spec": {"selector": {"matchLabels": {"app": str()}}, "action": "ALLOW" | "DENY" as action, **rest},
        } if set(rest) <= {"rules"}:
            return name, str(action), _rules(rest.get("rules", []))
        case _:
            raise _unknown(manifest)


def _rules(found: object) -> Sequence[object]:
    """None of them match nothing."""
    return [] if found == [] else _list(found)


def _grants(name: str, rule: object) -> Iterator[Grant]:
    match rule:
        case Mapping() if set(rule) <= {"from", "to", "when"}:
            pass
        case _:
            raise _unknown(rule)
    asked = [_operation(one) for one in _list(rule["to"])] if "to" in rule else [ANYTHING]
    headers = [_condition(one) for one in _list(rule["when"])] if "when" in rule else []
    request = all_of(any_of(*asked), *headers)
    sources = [_source(one) for one in _list(rule["from"])] if "from" in rule else [EVERYONE]
    for at, who in enumerate(sources):
        yield Grant(f"{name}.{at}", who, request)


def _source(item: object) -> Who:
    match item:
        case {"source": Mapping() as source, **rest} if (
            not rest
            and source
            and set(source)
            <= {
                "principals",
                "notPrincipals",
            }
        ):
            return _who(source)
        case _:
            raise _unknown(item)


def _who(source: Mapping[object, object]) -> Who:
    ids, domains = _principals(source.get("principals"))
    without, without_domains = _principals(source.get("notPrincipals"))
    if "principals" not in source:
        return Who(everyone=True, without=without, without_domains=without_domains)
    if without_domains or (ids and without):
        raise _unknown(source)
    return Who(ids, domains, without=without)


def _principals(found: object) -> tuple[frozenset[SpiffeId], frozenset[TrustDomain]]:
    ids, domains = set(), set()
    for text in map(_text, [] if found is None else _list(found)):
        if text.endswith("/*") and text.count("/") == 1:
            domains.add(TrustDomain(text[:-2]))
        elif "*" not in text:
            ids.add(SpiffeId.parse(f"spiffe://{text}"))
        else:
            raise _unknown(text)
    return frozenset(ids), frozenset(domains)


def _operation(item: object) -> Expression:
    match item:
        case {"operation": Mapping() as operation, **rest} if not rest and operation and set(operation) <= _READ.keys():
            return all_of(*(_READ[str(key)](_list(value)) for key, value in operation.items()))
        case _:
            raise _unknown(item)


def _methods(values: Sequence[object]) -> Expression:
    return any_of(*(Method(_plain(one)) for one in values))


def _paths(values: Sequence[object]) -> Expression:
    return any_of(*(Path(_parts(_text(one))) for one in values))


def _ports(values: Sequence[object]) -> Expression:
    return any_of(*(Port(int(_plain(one)), int(_plain(one)) + 1) for one in values))


_READ = {
    "methods": _methods,
    "notMethods": lambda values: negated(_methods(values)),
    "paths": _paths,
    "notPaths": lambda values: negated(_paths(values)),
    "ports": _ports,
}


def _parts(text: str) -> tuple[str, ...]:
    if "{" in text or "*" in text[1:-1] or text == "*":
        raise _unknown(text)
    if text.endswith("*"):
        return text[:-1], ""
    return ("", text[1:]) if text.startswith("*") else (text,)


def _condition(item: object) -> Expression:
    match item:
        case {"key": str(key), "values": [*values], **rest} if (
            not rest and values and key.startswith("request.headers[") and key.endswith("]")
        ):
            name = key.removeprefix("request.headers[").removesuffix("]")
            return any_of(*(HeaderIs(name, _plain(one)) for one in values))
        case _:
            raise _unknown(item)


def _list(found: object) -> Sequence[object]:
    match found:
        case [_, *_]:
            return found  # an empty one would mean what a missing one does: everything
        case _:
            raise _unknown(found)


def _text(found: object) -> str:
    match found:
        case str() if found:
            return found
        case _:
            raise _unknown(found)


def _plain(found: object) -> str:
    text = _text(found)
    if text.startswith("*") or text.endswith("*") or "{" in text:
        raise _unknown(text)
    return text


def _unknown(found: object) -> Broken:
    return Broken(
        code="export-not-readable",
        what=f"what was written for another mesh contains {repr(found)[:200]}",
        why="it is none of what is written, so nobody can say what it allows",
        fix="report this with the policy",
    )
