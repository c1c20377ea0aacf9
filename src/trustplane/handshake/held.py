"""Clues from what each side holds: one side's own holding where only that is known, both where both are.

A side's own bundle is no proof of what the other trusts. Within a mesh they are meant to be alike, so a chain that does
not even lead to its own side's bundle is taken for what is wrong, and one that does excludes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from trustplane.handshake import state as states
from trustplane.handshake.clue import Clue, Weighs, against, excludes, favours, proves
from trustplane.handshake.failure import Failure, Side, Tls
from trustplane.handshake.holding import Held, Holding, Parameters
from trustplane.handshake.records import WITHHOLDING
from trustplane.handshake.state import State, is_self_signed, uris
from trustplane.spiffe.certificates import der_of

_DEPTH: Final = re.compile(r"at[ _]depth[ _](\d{1,3})\b")
# What a side's own bundle may say of its own chain.
_OWN: Final = frozenset({"unknown-issuer", "missing-intermediate"})


@dataclass(frozen=True, slots=True)
class Between:
    """Two holdings, seen from who was judged; `speaker` is the record that decides."""

    judged: Holding
    verifier: Holding
    client: Holding
    server: Holding
    whose: Side
    speaker: Failure
    at: datetime


def between(held: Held, judged: Side, speaker: Failure, at: datetime) -> Between:
    client, server = (held.of(side, speaker) for side in (Side.CLIENT, Side.SERVER))
    sides = (client, server) if judged is Side.CLIENT else (server, client)
    return Between(*sides, client, server, judged, speaker, at)


def state_of(held: Between) -> State:
    """As if the operator had shown it."""
    demands = held.verifier.demands
    return State(
        at=held.at,
        chain=held.judged.chain or (),
        roots=held.verifier.roots,
        crls=held.verifier.crls or None,
        judged=held.whose,
        names=demands.names if demands else (),
    )


def clues(held: Between) -> list[Clue]:
    """All that a chain and what its verifier holds do not show by themselves."""
    checks: tuple[Callable[[Between], Iterator[Clue]], ...] = (
        _presence, _own_bundle, _own_domain, _depth, _pins, _roots_alone, _speaks,
    )  # fmt: skip
    return [clue for check in checks for clue in check(held)]


def _presence(held: Between) -> Iterator[Clue]:
    if held.client.chain is None:
        return
    if held.client.chain:
        yield excludes("no-client-certificate", "the client has a certificate")
    else:
        yield proves("no-client-certificate", "the client is given no certificate")
        yield excludes("withheld-client-certificate", "the client is given no certificate")


def _own_bundle(held: Between) -> Iterator[Clue]:
    """What the judged side's own bundle says of its own chain, where the verifier's is not known."""
    chain, roots = held.judged.chain, held.judged.roots
    if not chain or roots is None or held.verifier.roots is not None:
        return
    found = [one for one in states.clues(State(held.at, chain, roots, judged=held.whose)) if one.cause in _OWN]
    said = [one for one in found if one.weighs in {Weighs.PROVES, Weighs.FAVOURS}]
    if _withholds(held) and {one.issuer for one in chain}.isdisjoint(one.subject for one in roots):
        yield proves("withheld-client-certificate", "its own side's bundle names no authority of its chain")
        yield against("self-signed", "what is withheld is not judged")
        return
    for one in said:
        yield replace(one, weighs=Weighs.PROVES, says=f"by its own side's bundle, {one.says}")
    if not said and not is_self_signed(chain[0]):
        yield against("missing-intermediate", "the chain leads to its own side's bundle")


def _withholds(held: Between) -> bool:
    """Whether the judged side is a client that presents nothing of authorities that the server does not name: a
    certificate that is not presented is not what was found wanting."""
    of_client = held.whose is Side.CLIENT and held.speaker.side is Side.CLIENT
    return of_client and held.speaker.implementation in WITHHOLDING


def _own_domain(held: Between) -> Iterator[Clue]:
    """Whom a side wants to meet says which trust domain it speaks to."""
    demands = held.judged.demands
    if held.verifier.demands is not None or demands is None or not held.judged.chain:
        return
    wanted = {_domain(one.value) for one in demands.names if one.value.startswith("spiffe://")}
    ours = {_domain(one) for one in uris(held.judged.chain[0])}
    if wanted and ours and not wanted & ours:
        yield favours("wrong-trust-domain", f"it is of {min(ours)} and speaks to {min(wanted)}")


def _depth(held: Between) -> Iterator[Clue]:
    demands, chain = held.verifier.demands, held.judged.chain
    if demands is None:
        return
    reached = _DEPTH.search(held.speaker.text)
    followed = sum(not is_self_signed(one) for one in chain[1:]) if chain else int(reached[1]) if reached else None
    if demands.depth is None:
        yield excludes("verify-depth", "the verifier has no limit of its own")
    elif followed is None:
        yield favours("verify-depth", f"the verifier follows {demands.depth} authorities at most")
    elif followed > demands.depth:
        yield proves("verify-depth", f"{followed} authorities lie above the leaf; the verifier follows {demands.depth}")
    else:
        yield excludes("verify-depth", f"the verifier follows {demands.depth} authorities, and there are {followed}")


def _pins(held: Between) -> Iterator[Clue]:
    demands, chain = held.verifier.demands, held.judged.chain
    if demands is None:
        return
    if not demands.pins:
        yield excludes("pin-outdated", "the verifier pins nothing")
    elif not chain:
        yield favours("pin-outdated", "the verifier pins certificates")
    elif hashlib.sha256(der_of(chain[0])).hexdigest() in demands.pins:
        yield excludes("pin-outdated", "the leaf is one that the verifier pins")
    else:
        yield proves("pin-outdated", "the leaf is none that the verifier pins")


def _roots_alone(held: Between) -> Iterator[Clue]:
    """Of a verifier's own roots, without the chain: that all have ended is enough to refuse everybody."""
    if held.judged.chain is not None or not held.verifier.roots:
        return
    ended = [one for one in held.verifier.roots if held.at > one.not_valid_after_utc]
    if len(ended) == len(held.verifier.roots):
        yield proves("root-expired", "every root that the verifier holds has ended")
    elif not ended:
        yield excludes("root-expired", "no root that the verifier holds has ended")


def _speaks(held: Between) -> Iterator[Clue]:
    ours, theirs = held.client.speaks, held.server.speaks
    known = [one for one in (ours, theirs) if one is not None]
    if not known:
        return
    yield from _shared("no-shared-cipher", "ciphers", [one.ciphers for one in known])
    yield from _shared("no-shared-group", "groups", [one.groups for one in known])
    if ours and theirs:
        yield from _versions(ours, theirs)


def _shared(cause: str, what: str, named: list[frozenset[str] | None]) -> Iterator[Clue]:
    """Two lists decide. One that was narrowed is a reason to look there; one that was left alone hardly ever is."""
    narrowed = [one for one in named if one is not None]
    if len(narrowed) == 2:
        shared = narrowed[0] & narrowed[1]
        made = excludes if shared else proves
        yield made(cause, f"{what} of both: {', '.join(sorted(shared)[:4]) or 'none'}")
    elif narrowed:
        yield favours(cause, f"one side was told to use no {what} but {', '.join(sorted(narrowed[0])[:4])}")
    else:
        yield against(cause, f"no {what} were chosen on {'either side' if len(named) == 2 else 'this side'}")


def _versions(ours: Parameters, theirs: Parameters) -> Iterator[Clue]:
    order = list(Tls)

    def spoken(one: Parameters) -> set[Tls]:
        first = order.index(one.oldest) if one.oldest else 0
        last = order.index(one.newest) if one.newest else len(order) - 1
        return set(order[first : last + 1])

    if (ours.oldest or ours.newest) and (theirs.oldest or theirs.newest):
        made = excludes if spoken(ours) & spoken(theirs) else proves
        yield made("version-mismatch", "the TLS versions that both are told to speak")


def _domain(uri: str) -> str:
    return uri.removeprefix("spiffe://").partition("/")[0]
