"""What the issuer of a trust domain knows of a failure: which certificate a serial number is, what was revoked, which
roots a bundle's digest stands for, and how far a node's clock is off.

A serial number in a record is a claim. A chain is taken for the one that was judged when the end and the issuer's key
in the record fit it too; who makes up all three gains a doubt (the words deny what the chain shows), no certainty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.x509 import Certificate

from trustplane.handshake.clue import Clue, against, excludes, favours, proves
from trustplane.handshake.failure import NOBODY, Claims, Side
from trustplane.handshake.join import Pair
from trustplane.handshake.state import State, signer_of
from trustplane.spiffe.certificates import authority_key_id

CLOCKS_AGREE: Final = timedelta(seconds=5)

Chain = tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """`chain` begins with it. `newer`: when its identity was issued another on the same node."""

    chain: Chain
    revoked_at: datetime | None = None
    newer: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """`leaves` by serial number as `serial_of` writes it, `keys` of all its authorities in hex, `roots` by the digest
    of the bundle that has them. `clocks`: how much a node's is ahead of the server's, at least; negative is behind."""

    domain: str = ""
    leaves: Mapping[str, Leaf] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    roots: Mapping[str, Chain] = field(default_factory=dict)
    clocks: Mapping[str, timedelta] = field(default_factory=dict)


NOBODY_ISSUED: Final = Issuer()


@dataclass(frozen=True, slots=True)
class Judged:
    """What the records say of the certificate that was judged, and the leaf that it must be, if it is one. `is_own`:
    no peer says so, but the record of the very side that was refused."""

    side: Side
    claims: Claims
    bundle: str  # the verifier's
    leaf: Leaf | None
    is_own: bool = False


def serial_of(claimed: str) -> str:
    """Proxies write capitals or not, colons or not, zeros in front or not."""
    return claimed.replace(":", "").lower().lstrip("0")


def judged(issuer: Issuer, pair: Pair, side: Side) -> Judged:
    """`side` is whose certificate was found wanting."""
    own = next((one for one in pair.failures if one.side is side), None)
    verifier = next((one for one in pair.failures if one.side not in {side, None}), None)
    seen = verifier.theirs if verifier is not None else NOBODY
    is_own = own is not None and not seen.serial
    claims = own.ours if is_own and own is not None else seen
    leaf = issuer.leaves.get(serial_of(claims.serial)) if claims.serial else None
    found = leaf if leaf is not None and _fits(leaf.chain[0], claims) else None
    return Judged(side, claims, verifier.bundle if verifier is not None else "", found, is_own)


def state_of(issuer: Issuer, of: Judged, at: datetime) -> State:
    """As if the operator had shown it."""
    chain = of.leaf.chain if of.leaf is not None else ()
    return State(at=at, chain=chain, roots=issuer.roots.get(of.bundle), judged=of.side)


def clues(issuer: Issuer, of: Judged, pair: Pair, at: datetime) -> list[Clue]:
    """What the chain and the roots do not show by themselves."""
    return [
        *_of_key(issuer, of),
        *_of_leaf(of, at),
        *_of_root(issuer, of, at),
        *_of_gift(pair),
        *_of_clocks(issuer, pair),
    ]


def _of_key(issuer: Issuer, of: Judged) -> Iterator[Clue]:
    """A peer may name any key. What a sidecar's own agent says of it is so, and brings the cause in where the refusal
    was given without one."""
    key = of.claims.issuer_key
    if key and issuer.keys and key not in issuer.keys and _is_of(issuer.domain, of.claims.spiffe_id):
        made = proves if of.is_own else favours
        yield made("unknown-issuer", f"no authority of {issuer.domain} has the key {key[:16]} that signed it")


def _of_leaf(of: Judged, at: datetime) -> Iterator[Clue]:
    if of.leaf is None:
        return
    serial, ends = serial_of(of.claims.serial), of.leaf.chain[0].not_valid_after_utc
    if of.leaf.revoked_at is None:
        yield against("revoked", f"serial {serial} is not revoked by itself")
    elif of.leaf.revoked_at <= at:
        yield proves("revoked", f"serial {serial} was revoked at {_instant(of.leaf.revoked_at)}")
    if of.leaf.newer is not None and of.leaf.newer < at and ends < at:
        says = f"another was issued at {_instant(of.leaf.newer)}, and serial {serial} was still presented"
        yield favours("leaf-expired", says)
        yield favours("served-differs-from-issued", says)


def _of_root(issuer: Issuer, of: Judged, at: datetime) -> Iterator[Clue]:
    """Where the verifier's roots are not known: a root that ended vouches for nobody, whoever holds it."""
    if of.leaf is None or of.bundle in issuer.roots:
        return
    known = tuple(dict.fromkeys(one for roots in issuer.roots.values() for one in roots))
    root = signer_of(of.leaf.chain[-1], known)
    if root is not None and at > root.not_valid_after_utc:
        yield proves("root-expired", f"the root above it ended at {_instant(root.not_valid_after_utc)}")


def _of_gift(pair: Pair) -> Iterator[Clue]:
    """A client's own agent knows what it had given its sidecar; records of no agent name no bundle."""
    client = pair.client
    if client is not None and client.bundle and client.ours.serial:
        serial = serial_of(client.ours.serial)
        yield excludes("no-client-certificate", f"the client's agent had given it serial {serial}")


def _of_clocks(issuer: Issuer, pair: Pair) -> Iterator[Clue]:
    nodes = dict.fromkeys(one.node for one in pair.failures if one.node)
    known = {node: issuer.clocks[node] for node in nodes if node in issuer.clocks}
    for node, off in known.items():
        if abs(off) > CLOCKS_AGREE:
            way = "ahead of" if off > timedelta(0) else "behind"
            yield favours("clock-wrong", f"the clock of {node} is {abs(off).total_seconds():.0f} s {way} the server's")
            return
    if known and len(known) == len(nodes):
        yield against("clock-wrong", f"the clocks of {' and '.join(known)} agree with the server's")


def _fits(leaf: Certificate, claims: Claims) -> bool:
    key = authority_key_id(leaf)
    if claims.issuer_key and key and claims.issuer_key != key:
        return False
    return claims.not_after is None or abs(claims.not_after - leaf.not_valid_after_utc) < timedelta(seconds=1)


def _is_of(domain: str, claimed: str) -> bool:
    return not claimed or claimed.removeprefix("spiffe://").partition("/")[0] == domain


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%SZ}"
