"""The tree of one destination as bytes: what a node is told, one encoding for equal trees.

A node reads it strictly: a word it does not know could be a condition, and leaving one out would let somebody in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from trustplane.fault import Broken, Refused
from trustplane.policy.access import Access, Grant
from trustplane.policy.tree import (
    ANYTHING,
    AllOf,
    AnyOf,
    Anything,
    CallerIn,
    Expression,
    HeaderIs,
    HeaderPresent,
    Method,
    Not,
    Path,
    Port,
    Unambiguous,
    Who,
)
from trustplane.spiffe.ids import SpiffeId, TrustDomain

VERSION = 1


def encode(access: Access) -> bytes:
    lists = {"deny": access.deny, "allow": access.allow}
    whole = {"version": VERSION, **{name: [_grant(one) for one in grants] for name, grants in lists.items()}}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


def decode(document: bytes) -> Access:
    try:
        match json.loads(document):
            case {"version": 1, "deny": [*deny], "allow": [*allow], **rest} if not rest:
                return Access(tuple(map(_grant_of, deny)), tuple(map(_grant_of, allow)))
            case found:
                raise _unknown(found)
    except (ValueError, RecursionError, Refused) as error:
        raise _unknown(str(error)) from error


def _grant(grant: Grant) -> dict[str, object]:
    return {"name": grant.name, "who": _who(grant.who), "request": _expression(grant.request)}


def _who(who: Who) -> dict[str, object]:
    return {
        "ids": sorted(map(str, who.ids)),
        "domains": sorted(map(str, who.domains)),
        "everyone": who.everyone,
        "without": sorted(map(str, who.without)),
        "without_domains": sorted(map(str, who.without_domains)),
    }


def _expression(expression: Expression) -> list[object]:  # noqa: C901, PLR0911 - one line for each node
    match expression:
        case AllOf(items):
            return ["all", *map(_expression, items)]
        case AnyOf(items):
            return ["any", *map(_expression, items)]
        case Not(item):
            return ["not", _expression(item)]
        case Anything():
            return ["anything"]
        case Method(name):
            return ["method", name]
        case Path(parts):
            return ["path", *parts]
        case Unambiguous():
            return ["unambiguous"]
        case HeaderPresent(name):
            return ["header", name]
        case HeaderIs(name, value):
            return ["header", name, value]
        case Port(first, end):
            return ["port", first, end]
        case CallerIn():
            raise _unknown(expression)


def _grant_of(found: object) -> Grant:
    match found:
        case {"name": str(name), "who": who, "request": request, **rest} if not rest:
            return Grant(name, _who_of(who), _expression_of(request))
        case _:
            raise _unknown(found)


def _who_of(found: object) -> Who:
    match found:
        case {
            "ids": [*ids],
            "domains": [*domains],
            "everyone": bool(everyone),
            "without": [*without],
            "without_domains": [*without_domains],
            **rest,
        } if not rest:
            return Who(_ids(ids), _domains(domains), everyone, _ids(without), _domains(without_domains))
        case _:
            raise _unknown(found)


def _ids(found: Sequence[object]) -> frozenset[SpiffeId]:
    return frozenset(SpiffeId.parse(str(one)) for one in found)


def _domains(found: Sequence[object]) -> frozenset[TrustDomain]:
    return frozenset(TrustDomain(str(one)) for one in found)


def _expression_of(found: object) -> Expression:  # noqa: C901, PLR0911 - one line for each node
    match found:
        case ["all", *items]:
            return AllOf(tuple(map(_expression_of, items)))
        case ["any", *items]:
            return AnyOf(tuple(map(_expression_of, items)))
        case ["not", item]:
            return Not(_expression_of(item))
        case ["anything"]:
            return ANYTHING
        case ["method", str(name)]:
            return Method(name)
        case ["path", *parts] if parts:
            return Path(tuple(map(str, parts)))
        case ["unambiguous"]:
            return Unambiguous()
        case ["header", str(name)]:
            return HeaderPresent(name)
        case ["header", str(name), str(value)]:
            return HeaderIs(name, value)
        case ["port", int(first), int(end)]:
            return Port(first, end)
        case _:
            raise _unknown(found)


def _unknown(found: object) -> Broken:
    return Broken(
        code="policy-document-unreadable",
        what=f"the rules that a node was told contain {found!r:.200}",
        why="what is not understood could be a condition, so nothing of it is enforced",
        fix="report this with the versions of server and agent; what was published before stays in use",
    )
