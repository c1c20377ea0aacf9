"""Rehearsals that need certificates alone: each puts one broken chain into a real Envoy, as caller and as callee.

In TLS 1.3 a caller does not learn why a callee refused it, so the reason is looked for where it is: in the callee's
listener log. A callee's fault is the caller's to see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trustplane.flows.rehearsal import Check
from trustplane.main.rehearsals import chains as broken
from trustplane.main.rehearsals.chains import Chain, Issuer
from trustplane.main.rehearsals.pair import CALLEE, CALLER, Line, Pair
from trustplane.registry.view import TrustedCrl, Withdrawn

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CRL_LIFE = timedelta(hours=2)

Make = Callable[[Pair, str, datetime], Chain]
Play = Callable[[Pair, datetime], Awaitable[Sequence[Check]]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A row as it stands in the list, with what plays it."""

    name: str
    fault: str
    must: str
    play: Play


def expired_leaf(pair: Pair, name: str, at: datetime) -> Chain:
    ended = at - MINUTE
    began = ended - pair.candidate.profile.lifetime - pair.candidate.profile.backdate
    return _leaf(pair, name, at, pair.root.issuer(at), broken.valid(began, ended))


def not_yet_valid(pair: Pair, name: str, at: datetime) -> Chain:
    return _leaf(pair, name, at, pair.root.issuer(at), broken.valid(at + HOUR, at + 2 * HOUR))


def expired_issuer(pair: Pair, name: str, at: datetime) -> Chain:
    """The leaf is valid for an hour more; who signed it has been no authority for an hour."""
    issuer = pair.root.issuer(at - 2 * HOUR, HOUR)
    return _leaf(pair, name, at - 1.5 * HOUR, issuer, broken.valid(at - 1.5 * HOUR, at + HOUR))


def missing_intermediate(pair: Pair, name: str, at: datetime) -> Chain:
    return pair.leaf(name, pair.root.issuer(at), at).without_issuer()


def eku_missing(pair: Pair, name: str, at: datetime) -> Chain:
    """What this side needs is what is missing."""
    change = broken.for_servers_only if name == CALLER else broken.for_clients_only
    return _leaf(pair, name, at, pair.root.issuer(at), change)


def wrong_san(pair: Pair, name: str, at: datetime) -> Chain:
    return pair.leaf(f"not-{name}", pair.root.issuer(at), at)


def _leaf(pair: Pair, name: str, at: datetime, issuer: Issuer, change: broken.Breaking) -> Chain:
    return issuer.leaf(pair.candidate.id_of(name), pair.candidate.profile, at, change)


def refused_by_handshake(make: Make, reason: str) -> Play:
    async def play(pair: Pair, at: datetime) -> Sequence[Check]:
        return [*await _as_caller(pair, at, make, reason), *await _as_callee(pair, at, make, reason)]

    return play


async def _as_caller(pair: Pair, at: datetime, make: Make, reason: str) -> list[Check]:
    chain = make(pair, CALLER, at)
    checks = [pair.gate(at, pair.caller, chain)]
    listener = pair.watch(pair.callee)
    async with pair.holding(at, pair.caller, chain):
        checks += await _refused(pair, 503)
        checks.append(await listener.shows(_in_listener_log(reason), "tls_failure", reason, _failed_handshake))
    return [*checks, await pair.answers(200)]


async def _as_callee(pair: Pair, at: datetime, make: Make, reason: str) -> list[Check]:
    chain = make(pair, CALLEE, at)
    checks = [pair.gate(at, pair.callee, chain)]
    log = pair.watch(pair.caller)
    async with pair.holding(at, pair.callee, chain):
        checks += await _refused(pair, 503)
        checks.append(await log.shows(_in_request_log(reason), "tls_failure", reason, _answered(503)))
    return [*checks, await pair.answers(200)]


async def _refused(pair: Pair, status: int) -> list[Check]:
    """Workers take up what was acknowledged a moment later; from the first refusal on, nothing gets through."""
    refused = await pair.answers(status)
    served = len(pair.callee.served)
    await pair.status()
    reached = len(pair.callee.served) - served
    return [refused, Check(f"no request reaches {CALLEE} any more", f"{reached} did", reached == 0)]


async def play_wrong_san(pair: Pair, at: datetime) -> Sequence[Check]:
    """A callee lets the handshake of any of its trust domain's identities pass, and then no request."""
    chain = wrong_san(pair, CALLER, at)
    checks = [pair.gate(at, pair.caller, chain)]
    log = pair.watch(pair.callee)
    async with pair.holding(at, pair.caller, chain):
        checks += await _refused(pair, 403)
        must = f"{CALLEE}'s request log names the identity that was refused"
        checks.append(await log.shows(must, "peer_id", f"/not-{CALLER}", _answered(403)))
    checks.append(await pair.answers(200))
    return [*checks, *await _as_callee(pair, at, wrong_san, "SAN matcher")]


async def play_key_mismatch(pair: Pair, at: datetime) -> Sequence[Check]:
    """Envoy refuses the pair as a whole, and goes on with the one it had."""
    checks = []
    for member, name in ((pair.caller, CALLER), (pair.callee, CALLEE)):
        issuer = pair.root.issuer(at)
        chain = pair.leaf(name, issuer, at).with_key_of(pair.leaf(name, issuer, at))
        checks.append(pair.gate(at, member, chain))
        async with pair.offered(at, member, chain) as words:
            must = f"{name}'s Envoy refuses the update over ADS, with KEY_VALUES_MISMATCH"
            checks.append(Check(must, f"{name}: {words or 'taken'}", "KEY_VALUES_MISMATCH" in words, tells=True))
            checks.append(await pair.answers(200))
        checks.append(await pair.answers(200))
    return checks


async def play_revoked_leaf(pair: Pair, at: datetime) -> Sequence[Check]:
    issuer = pair.root.issuer(at)
    caller, callee = pair.leaf(CALLER, issuer, at), pair.leaf(CALLEE, issuer, at)
    crls = (pair.root.signer.crl((), at, CRL_LIFE), issuer.crl((caller.leaf.serial_number,), at, CRL_LIFE))
    return await _revoked(pair, at, (caller, callee), crls, 0)


async def play_revoked_intermediate(pair: Pair, at: datetime) -> Sequence[Check]:
    issuer, other = pair.root.issuer(at), pair.root.issuer(at)
    caller, callee = pair.leaf(CALLER, issuer, at), pair.leaf(CALLEE, other, at)
    crls = (
        pair.root.signer.crl((issuer.certificate.serial_number,), at, CRL_LIFE),
        issuer.crl((), at, CRL_LIFE),
        other.crl((), at, CRL_LIFE),
    )
    return await _revoked(pair, at, (caller, callee), crls, 1)


async def _revoked(
    pair: Pair, at: datetime, chains: tuple[Chain, Chain], crls: tuple[TrustedCrl, ...], depth: int
) -> Sequence[Check]:
    reason = f"at depth {depth}: certificate revocation check against provided CRLs failed: certificate revoked"
    listener = pair.watch(pair.callee)
    await pair.hold(at, *chains, Withdrawn(crls=tuple(sorted(crls))))
    checks = [
        *await _refused(pair, 503),
        await listener.shows(_in_listener_log(reason), "tls_failure", reason, _failed_handshake),
    ]
    await pair.renew(at)
    return [*checks, await pair.answers(200)]


def _in_listener_log(reason: str) -> str:
    return f"{CALLEE}'s listener log says {reason}"


def _in_request_log(reason: str) -> str:
    return f"{CALLER}'s request log says {reason}"


def _failed_handshake(line: Line) -> bool:
    return line.get("log") == "handshake"


def _answered(status: int) -> Callable[[Line], bool]:
    return lambda line: line.get("status") == status


_BOTH_WAYS = "whoever it is shown to ends the handshake, 503 for the caller: "

CERTIFICATE_ROWS = (
    Drawn(
        "expired-leaf",
        "a leaf that ended a minute ago, held by the caller, then by the callee",
        _BOTH_WAYS + "certificate has expired, at depth 0",
        refused_by_handshake(expired_leaf, "at depth 0: certificate has expired"),
    ),
    Drawn(
        "expired-issuer",
        "a leaf that is valid, signed by an issuing authority that ended an hour ago",
        _BOTH_WAYS + "certificate has expired, at depth 1",
        refused_by_handshake(expired_issuer, "at depth 1: certificate has expired"),
    ),
    Drawn(
        "not-yet-valid",
        "a leaf that begins in an hour, held by the caller, then by the callee",
        _BOTH_WAYS + "certificate is not yet valid",
        refused_by_handshake(not_yet_valid, "at depth 0: certificate is not yet valid"),
    ),
    Drawn(
        "revoked-leaf",
        "the caller's leaf is on its issuer's CRL, which both proxies have",
        "the callee ends the handshake, 503 for the caller: certificate revoked, at depth 0",
        play_revoked_leaf,
    ),
    Drawn(
        "revoked-intermediate",
        "the authority that signed the caller's leaf is on the root's CRL, which both proxies have",
        "the callee ends the handshake, 503 for the caller: certificate revoked, at depth 1",
        play_revoked_intermediate,
    ),
    Drawn(
        "wrong-san",
        "the caller, then the callee, holds another service's identity",
        "the callee lets no request through, 403; the caller ends the handshake, 503: SAN matcher",
        play_wrong_san,
    ),
    Drawn(
        "missing-intermediate",
        "a leaf without the issuing authority's certificate behind it",
        _BOTH_WAYS + "unable to get local issuer certificate",
        refused_by_handshake(missing_intermediate, "at depth 0: unable to get local issuer certificate"),
    ),
    Drawn(
        "eku-missing",
        "the caller's leaf lacks clientAuth, then the callee's lacks serverAuth",
        _BOTH_WAYS + "unsupported certificate purpose",
        refused_by_handshake(eku_missing, "at depth 0: unsupported certificate purpose"),
    ),
    Drawn(
        "key-mismatch",
        "a leaf with the key of another, offered to the caller's Envoy, then to the callee's",
        "Envoy refuses the update, KEY_VALUES_MISMATCH, and goes on with what it had: calls are served",
        play_key_mismatch,
    ),
)
