"""Asking other trust domains which bundle of ours their participants hold: a task for each, and what was shown stored.

While a root is changed each is asked every few seconds, else as often as for its bundle. A partner that is dead, slow
or hostile is met by its own task; what it showed before stays until something newer passed every rule
(`trust.statement`). Of several replicas one asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from trustplane.clock import Clock
from trustplane.fault import Fault, Finding, Refused
from trustplane.flows.feed import Feed
from trustplane.registry.federation import Relation
from trustplane.rotation.root_change import RootChange
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.federation import interval
from trustplane.trust.partner import Shown
from trustplane.trust.statement import Statement, check_newer, check_ours, verified

LEASE_LIFE = timedelta(seconds=60)
WHILE_CHANGING = timedelta(seconds=5)
LONGEST_SLEEP = timedelta(seconds=60)
NO_STATEMENT = "endpoint-without-statement"


class Records(Protocol):
    async def shown(self) -> Sequence[Shown]: ...

    async def put_shown(self, shown: Shown) -> None: ...

    async def drop_shown(self, name: TrustDomain) -> None: ...

    async def root_changes(self, limit: int) -> Sequence[RootChange]: ...

    async def take_lease(self, name: str, holder: str, until: datetime, at: datetime) -> bool: ...

    async def release_lease(self, name: str, holder: str) -> None: ...


class Endpoints(Protocol):
    async def statement(self, relation: Relation, trusted: Bundle | None, about: TrustDomain) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Partner:
    """A trust domain with a relation: `bundle` is the newest held of it, `trusted` that of its endpoint."""

    relation: Relation
    bundle: Bundle | None
    trusted: Bundle | None


Partners = Callable[[], Mapping[TrustDomain, Partner]]


class AskPartners:
    def __init__(  # noqa: PLR0917 - the ports of one flow
        self,
        records: Records,
        partners: Partners,
        published: Callable[[], Awaitable[Bundle]],
        endpoints: Endpoints,
        holder: str,
        clock: Clock,
    ) -> None:
        self._records = records
        self._partners = partners
        self._published = published
        self._endpoints = endpoints
        self._holder = holder
        self._clock = clock
        self._is_changing: Feed[bool] = Feed(False)
        self._names: Feed[frozenset[TrustDomain]] = Feed(frozenset())
        self._log = structlog.get_logger("federation")

    async def settle(self) -> None:
        """Relations begin and end, and so do changes of root."""
        names = frozenset(self._partners())
        for one in await self._records.shown():
            if one.trust_domain not in names:
                await self._records.drop_shown(one.trust_domain)
        newest = next(iter(await self._records.root_changes(1)), None)
        is_changing = newest is not None and not newest.phase.is_over
        if is_changing != self._is_changing.value:
            self._is_changing.publish(is_changing)
        if names != self._names.value:
            self._names.publish(names)

    async def run(self) -> None:
        """A task for each relation, as long as there is the relation."""
        asking: dict[TrustDomain, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            async for names in self._names.values():
                for name in asking.keys() - names:
                    asking.pop(name).cancel()
                for name in names - asking.keys():
                    asking[name] = tasks.create_task(self._follow(name))

    async def _follow(self, name: TrustDomain) -> None:
        while True:
            moved = asyncio.ensure_future(self._is_changing.moved())
            try:
                await self._ask_alone(name)
                sleeping = asyncio.ensure_future(self._clock.sleep(self._pause(name)))
                try:
                    await asyncio.wait((moved, sleeping), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    sleeping.cancel()
            finally:
                moved.cancel()

    def _pause(self, name: TrustDomain) -> timedelta:
        if self._is_changing.value:
            return WHILE_CHANGING
        partner = self._partners().get(name)
        return interval(partner.bundle.refresh_hint if partner and partner.bundle else None)

    async def _ask_alone(self, name: TrustDomain) -> None:
        """Whatever this partner does to us, the other tasks go on."""
        at, lease = self._clock.now(), f"uptake/{name}"
        try:
            if await self._records.take_lease(lease, self._holder, at + LEASE_LIFE, at):
                try:
                    await self.ask(name)
                finally:
                    await self._records.release_lease(lease, self._holder)
        except Fault as fault:
            self._log.warning("partner not asked", partner=str(name), code=fault.code, what=fault.finding.what)
        except Exception:  # noqa: BLE001 - a task's edge: nobody foresaw it, and no other partner may suffer for it
            self._log.exception("asking a partner broke", partner=str(name))

    async def ask(self, name: TrustDomain) -> Shown | None:
        """Ask once; what comes of it is stored. None: there is no such relation."""
        partner = self._partners().get(name)
        if partner is None:
            return None
        before = next((one for one in await self._records.shown() if one.trust_domain == name), Shown(name))
        shown = await self._answer(partner, before)
        if name not in self._partners():
            return None  # it ended while it was asked
        if shown.failure is not None and before.failure is None:
            finding = shown.failure.finding
            self._log.warning("no newer statement", partner=str(name), code=finding.code, what=finding.what)
        await self._records.put_shown(shown)
        return shown

    async def _answer(self, partner: Partner, before: Shown) -> Shown:
        try:
            statement = await self._statement(partner, before)
        except Fault as fault:
            is_none = fault.code == NO_STATEMENT or (fault.code == "bad-statement" and before.statement is None)
            step = before.was_silent if is_none else before.failed
            return step(fault.finding, self._clock.now())
        except Exception as error:  # noqa: BLE001 - hostile bytes may find what nobody foresaw
            self._log.exception("a statement broke its reader", partner=str(before.trust_domain))
            return before.failed(_unforeseen(before.trust_domain, error), self._clock.now())
        return before.said(statement, self._clock.now())

    async def _statement(self, partner: Partner, before: Shown) -> Statement:
        name = partner.relation.trust_domain
        if partner.bundle is None:
            raise Refused(
                code="statement-unverifiable",
                what=f"{name} cannot be asked for a statement",
                why="no bundle of it is held, and so no key that could have signed one",
                fix="trustplane federation status says why there is none",
            )
        own = (await self._published()).trust_domain
        document = await self._endpoints.statement(partner.relation, partner.trusted, own)
        statement = verified(document, partner.bundle, own, self._clock.now())
        check_newer(before.statement, statement)
        check_ours(statement, await self._published())
        return statement


def _unforeseen(name: TrustDomain, error: Exception) -> Finding:
    return Finding(
        code="statement-broke-reader",
        what=f"what the endpoint of {name} showed could not be read",
        why=f"{type(error).__name__}; the server's log has the whole",
        fix="keep the log and report this; what it showed before stays",
    )
