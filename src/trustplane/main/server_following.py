"""What the server does when something changes: its own, another replica's, or an agent's doing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from random import SystemRandom

import structlog

from trustplane.fault import Refused, Unavailable
from trustplane.flows.retry import Patience
from trustplane.flows.roots.survey_trust import held_by_server
from trustplane.host.clock import SystemClock
from trustplane.main.server_flows import Flows
from trustplane.rotation.leaving import signer_key_id
from trustplane.spiffe.names import NodeName
from trustplane.store.store import Changes
from trustplane.store.topics import Topic

LONGEST_WAIT = timedelta(seconds=15)
CHANGES_LOOKED_AT = 10

_log = structlog.get_logger("server")


async def follow_standing(flows: Flows, instance: NodeName, clock: SystemClock) -> None:
    """Every node is told of a bundle as soon as this instance stands by it."""
    told = ""
    async for standing in flows.authorities.standing.values():
        if standing is None:
            continue
        await _take_over(partial(flows.desired.trust, standing.bundle), clock)
        held = held_by_server(instance, standing.bundle, clock.now())
        if held.held != told:  # since when it is held stays as it was
            await _take_over(partial(flows.store.put_holdings, [held]), clock)
            told = held.held


async def follow_revocations(flows: Flows, clock: SystemClock) -> None:
    """Every node is told at once; this server's own SVID is among the leaves of an authority that leaves."""
    async for withdrawn in flows.revocations.withdrawn.values():
        if withdrawn.leaving:
            # First, or leaves asked back now might be signed by the authority that leaves, and be asked back again.
            await _take_over(flows.authorities.settle, clock)
        await _take_over(partial(flows.desired.withdraw, withdrawn), clock)
        own = flows.identity.identity.value
        if own and signer_key_id(own.svid) in {one.key_id for one in withdrawn.leaving}:
            await _take_over(flows.identity.renew, clock)


async def follow_store(flows: Flows, changes: Changes, clock: SystemClock) -> None:  # noqa: C901 - a case for each topic
    """What another replica, or an agent, changed."""
    async for topic in changes:
        match topic:
            case Topic.AUTHORITIES:
                await _take_over(flows.authorities.settle, clock)
                await _take_over(flows.revocations.settle, clock)
            case Topic.REVOCATIONS:
                await _take_over(flows.revocations.settle, clock)
            case Topic.REVISION:
                await _take_over(flows.desired.load, clock)
                await _take_over(flows.desired.refresh, clock)
                await _take_over(flows.trying.settle, clock)
                await _take_over(flows.federate.settle, clock)
                await _take_over(flows.asking.settle, clock)
                await _take_over(flows.authorities.settle, clock)  # keys are published ahead for who federates
            case Topic.FEDERATION:
                await _take_over(flows.federate.settle, clock)
                await _take_over(flows.asking.settle, clock)
            case Topic.ROOT_CHANGES:
                flows.changing.wake()
                await _take_over(flows.asking.settle, clock)
                await _take_over(partial(remake_connections, flows), clock)
            case Topic.DRY_RUNS:
                await _take_over(flows.trying.settle, clock)
            case Topic.PROPOSALS:
                pass  # open pages of the console hear of it by themselves
            case Topic.HOSTING:
                await _take_over(flows.desired.refresh, clock)
            case Topic.AGENTS:
                await _take_over(flows.desired.refresh, clock)
                await _take_over(partial(_cut_banned, flows), clock)


async def remake_connections(flows: Flows) -> None:
    """As the newest order says, also when the change it belongs to is over: taken back, it would be another one."""
    newest = await flows.store.root_changes(CHANGES_LOOKED_AT)
    await flows.desired.remake(next((one.told for one in newest if one.told), ""))


async def _cut_banned(flows: Flows) -> None:
    flows.connected.cut_banned(await flows.store.agents())


async def _take_over(change: Callable[[], Awaitable[None]], clock: SystemClock) -> None:
    """A change is announced once, so a store that is away for a while is asked until it answers."""
    patience = Patience(LONGEST_WAIT, SystemRandom())
    while True:
        try:
            await change()
        except Unavailable as fault:
            _log.warning("change not taken over yet", code=fault.code, what=fault.finding.what)
            await clock.sleep(patience.next_wait(fault.retry_after))
        except Refused as fault:
            _log.error("change not taken over", code=fault.code, what=fault.finding.what, fix=fault.finding.fix)
            return
        else:
            return
