"""Minting JWT-SVIDs: the right first, then the intent, then the key, then the outcome, then the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit import events
from trustplane.fault import Refused, Unavailable
from trustplane.flows.issuing.signer import Signer
from trustplane.issuance.admit import Right, require_right
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.jwt_svid import JwtClaims, compact
from trustplane.spiffe.names import NodeName
from trustplane.trust.bundles import kid_of

LIFETIME = timedelta(minutes=5)
SHORTEST = timedelta(seconds=20)
MAX_AUDIENCES = 20
MAX_AUDIENCE_CHARACTERS = 255


class Journal(Protocol):
    """Returns only when what it was given is durable."""

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


class Rights(Protocol):
    def right(self, node: NodeName, spiffe_id: SpiffeId) -> Right | None: ...


class MintJwt:
    def __init__(
        self, journal: Journal, signer: Callable[[], Signer], rights: Rights, lifetime: timedelta = LIFETIME
    ) -> None:
        self._journal = journal
        self._signer = signer
        self._rights = rights
        self._lifetime = lifetime

    async def mint(self, node: NodeName, spiffe_id: SpiffeId, audience: Sequence[str], at: datetime) -> str:
        """A token for that identity and those audiences, for a node that may have the identity."""
        require_right(node, spiffe_id, self._rights.right(node, spiffe_id))
        _check_audience(audience)
        signer = self._signer()
        authority = signer.authority
        now = at.replace(microsecond=0)
        # Cut to the key's end, so that the key can leave the bundle then and no token is orphaned.
        expires_at = min(now + self._lifetime, authority.not_after)
        if now < authority.not_before or expires_at - now < SHORTEST:
            raise _outside(signer, at)
        claims = JwtClaims(spiffe_id, tuple(audience), now, expires_at)
        intent = events.jwt_intent(node, spiffe_id, audience, authority.id.hex, at)
        await self._journal.append_audit([intent], at)
        token = compact(claims, kid_of(authority), JwtAlgorithm.ES256, signer.sign)
        digest = hashlib.sha256(token.encode()).digest()
        minted = events.jwt_minted(spiffe_id, authority.id.hex, expires_at, digest, at)
        await self._journal.append_audit([minted], at)
        return token


def _check_audience(audience: Sequence[str]) -> None:
    if not 1 <= len(audience) <= MAX_AUDIENCES:
        raise _refuse_audience(f"{len(audience)} were asked for; a token has 1 to {MAX_AUDIENCES}")
    for each in audience:
        if not 1 <= len(each) <= MAX_AUDIENCE_CHARACTERS or not each.isprintable():
            raise _refuse_audience(f"{each[:60]!r} is not 1 to {MAX_AUDIENCE_CHARACTERS} printable characters")


def _refuse_audience(why: str) -> Refused:
    return Refused(
        code="bad-audience",
        what="no token is minted for that audience",
        why=why,
        fix="name whoever is to accept the token, for example spiffe://acme.example/ns/shop/sa/ledger",
    )


def _outside(signer: Signer, at: datetime) -> Unavailable:
    authority = signer.authority
    return Unavailable(
        code="jwt-authority-out-of-time",
        what=f"JWT authority {authority.id} signs nothing at {at.isoformat()}",
        why=f"it is valid from {authority.not_before.isoformat()} to {authority.not_after.isoformat()}",
        fix="check this server's clock; if it is right, trustplane server status says why no successor is active",
        retry_after=SHORTEST,
    )
