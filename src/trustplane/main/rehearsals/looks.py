"""What a rehearsal looks at in a throw-away mesh: leaves, complaints, and whether an agent comes back by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from trustplane.fault import Unavailable
from trustplane.flows.rehearsal import Check
from trustplane.host.clock import SystemClock
from trustplane.main.rehearsals.mesh import SHOWS_WITHIN, Node, until
from trustplane.main.rehearsals.pair import MAX_SEEN_CHARACTERS

Serials = Mapping[str, str | None]

_clock = SystemClock()


async def shows(node: Node, code: str, within: timedelta = SHOWS_WITHIN) -> Check:
    """That its agent says so in status, by that code."""

    async def said() -> str:
        return await _complaints(node)

    return await says(f"{node.name}'s agent says {code}", f"{code}:", said, within)


async def shows_no_more(node: Node, code: str) -> Check:
    must = f"{node.name}'s agent says no more {code}"
    try:
        await until(lambda: _lacks(node, code), must)
    except Unavailable:
        return Check(must, await _complaints(node), holds=False)
    return Check(must, await _complaints(node), holds=True)


async def says(must: str, wanted: str, said: Callable[[], Awaitable[str]], within: timedelta = SHOWS_WITHIN) -> Check:
    """That these words come to be said; they are what is shown."""
    heard = ""

    async def comes() -> bool:
        nonlocal heard
        heard = await said()
        return wanted in heard

    try:
        await until(comes, must, within)
    except Unavailable:
        return Check(must, heard[:MAX_SEEN_CHARACTERS], holds=False)
    return Check(must, _sentence(heard, wanted), holds=True, tells=True)


def _sentence(heard: str, wanted: str) -> str:
    """Of all that was said, the part with the wanted words, its end rather than its beginning."""
    parts = [one.strip() for line in heard.splitlines() for one in line.split("; ")]
    return next((one for one in parts if wanted in one), heard)[-MAX_SEEN_CHARACTERS:]


async def _complaints(node: Node) -> str:
    found = await node.reasons()
    return "; ".join(f"{code}: {what}" for code, what in found.items()) or "nothing"


async def _lacks(node: Node, code: str) -> bool:
    return code not in await node.reasons()


def same(must: str, before: Serials, after: Serials) -> Check:
    changed = [one for one, serial in before.items() if after.get(one) != serial]
    return Check(must, f"{len(before) - len(changed)} of {len(before)} are as they were", not changed)


def replaced(must: str, before: Serials, after: Serials) -> Check:
    new = [one for one, serial in before.items() if after.get(one) not in {None, serial}]
    return Check(must, f"{len(new)} of {len(before)} are new", len(new) == len(before))


async def renewed(node: Node, before: Serials) -> bool:
    after = await node.serials()
    return all(after.get(one) not in {None, serial} for one, serial in before.items())


async def until_renewed(node: Node, before: Serials, within: timedelta) -> None:
    await until(lambda: renewed(node, before), f"every leaf of {node.name} is renewed", within)


async def until_left(node: Node, left: timedelta) -> None:
    """Until the first leaf has that much of its life left."""
    await until_past(await node.first_expiry() - left)


async def until_past(at: datetime) -> None:
    await _clock.sleep(at - _clock.now())


async def recovers(node: Node, before: Serials, within: timedelta = SHOWS_WITHIN) -> Check:
    """By itself: nobody restarts it or gives it a token."""
    must = f"{node.name}'s agent renews every leaf and is well, by itself"
    began = _clock.elapsed()
    try:
        await until_renewed(node, before, within)
        await until(lambda: _no_complaint(node), f"{node.name} is well")
    except Unavailable as fault:
        return Check(must, f"{fault.finding.what}; it says: {await node.door.healthy() or 'nothing'}", holds=False)
    took = (_clock.elapsed() - began).total_seconds()
    return Check(must, f"{node.name}: every leaf new and all well after {took:.1f} s", holds=True, tells=True)


async def _no_complaint(node: Node) -> bool:
    return not await node.door.healthy()
