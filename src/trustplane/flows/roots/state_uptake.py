"""Showing another trust domain which bundle of its our participants hold, by a signed statement.

Anyone may ask, so asking is cheap: a domain without a relation gets no answer, everybody is looked at once in a while
however often that is asked, and a statement is signed anew when it says something else or has lived half its life. The
intent is in the audit log before the key is used.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from trustplane.audit import events
from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.flows.issuing.signer import Signer
from trustplane.flows.roots.federation_uptake import behind
from trustplane.registry.records import Agent, Holding, Hosting
from trustplane.registry.view import NodeView
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.authority import Authority
from trustplane.trust.bundles import kid_of
from trustplane.trust.statement import Statement, sign

LIFE = timedelta(minutes=5)
LOOK_EVERY = timedelta(seconds=2)


class Records(Protocol):
    async def agents(self) -> Sequence[Agent]: ...

    async def hosting(self) -> Sequence[Hosting]: ...

    async def holdings(self) -> Sequence[Holding]: ...

    async def append_audit(self, bodies: Sequence[bytes], at: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class Trusted:
    """Our bundle, and those held of the trust domains that there is a relation with."""

    own: Bundle
    others: Mapping[TrustDomain, Bundle]


@dataclass(slots=True)
class _Kept:
    looked_at: datetime
    statement: Statement
    kid: str
    document: bytes

    def still_serves(self, statement: Statement, at: datetime) -> bool:
        return self.statement.says_the_same(statement) and self.statement.expires_at - at > LIFE / 2


class StateUptake:
    def __init__(
        self,
        records: Records,
        trusted: Callable[[], Trusted],
        meant: Callable[[NodeName], tuple[NodeView, str]],
        signer: Callable[[], Signer],
        clock: Clock,
    ) -> None:
        self._records = records
        self._trusted = trusted
        self._meant = meant
        self._signer = signer
        self._clock = clock
        self._kept: dict[TrustDomain, _Kept] = {}
        self._one_at_a_time: defaultdict[TrustDomain, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def about(self, name: TrustDomain) -> bytes:
        """The statement about the bundle of `name`, to be shown to it."""
        if name not in self._trusted().others:
            raise Refused(
                code="nothing-stated",
                what=f"nothing is stated here about {name}",
                why="statements are made about trust domains whose bundle is held here",
                fix=f"nothing; whoever operates {name} can ask the operators here for a relation",
            )
        async with self._one_at_a_time[name]:
            return await self._current(name)

    async def _current(self, name: TrustDomain) -> bytes:
        kept, at = self._kept.get(name), self._clock.now()
        signer = self._signer()
        is_ours = kept is not None and kept.kid == kid_of(signer.authority)
        if kept is not None and is_ours and kept.looked_at <= at < kept.looked_at + LOOK_EVERY:
            return kept.document
        statement = await self._statement(name, at)
        if kept is not None and is_ours and kept.still_serves(statement, at):
            kept.looked_at = at
            return kept.document
        cut = _cut(statement, signer.authority, at)
        document = await self._signed(cut, signer, at)
        self._kept[name] = _Kept(at, cut, kid_of(signer.authority), document)
        return document

    async def _statement(self, name: TrustDomain, at: datetime) -> Statement:
        trusted = self._trusted()
        held = trusted.others[name]
        known = (await self._records.holdings(), await self._records.hosting())
        views = {one.node: self._meant(one.node) for one in await self._records.agents() if not one.banned}
        missing = behind(name, known, views, BundleSet.of(trusted.own, *trusted.others.values()))
        now = at.replace(microsecond=0)
        return Statement(
            by=trusted.own.trust_domain,
            about=name,
            sequence=held.sequence or 0,
            digest=held.digest,
            x509_digest=held.x509_digest,
            behind=missing,
            issued_at=now,
            expires_at=now + LIFE,
        )

    async def _signed(self, statement: Statement, signer: Signer, at: datetime) -> bytes:
        authority, about = signer.authority, statement.about
        what: dict[str, str | int | None] = {
            "sequence": str(statement.sequence),
            "digest": statement.digest,
            "behind": statement.behind,
            "authority": authority.id.hex,
        }
        await self._records.append_audit([events.federation("intent", "stated", about, what, "", at)], at)
        document = sign(statement, kid_of(authority), signer.sign)
        told = {**what, "sha256": hashlib.sha256(document).hexdigest()}
        await self._records.append_audit([events.federation("outcome", "stated", about, told, "", at)], at)
        return document


def _cut(statement: Statement, authority: Authority, at: datetime) -> Statement:
    """To the key's end, so that the key can leave the bundle then."""
    ends = min(statement.expires_at, authority.not_after.replace(microsecond=0))
    if ends <= statement.issued_at:
        raise Unavailable(
            code="jwt-authority-out-of-time",
            what=f"JWT authority {authority.id} signs nothing at {at.isoformat()}",
            why=f"it is valid until {authority.not_after.isoformat()}",
            fix="check this server's clock; if it is right, trustplane status says why no successor is active",
            retry_after=LOOK_EVERY,
        )
    return replace(statement, expires_at=ends)
