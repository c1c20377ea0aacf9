"""The console as a browser has it: cookies, policies and keys as they are kept there, and pages as people see them.

With TRUSTPLANE_SCREENSHOTS every page is left there as a picture, light, dark and narrow, to be looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.browser import Tab, browser, tab
from tests.kit.console import PASSWORD, Browser, account
from tests.kit.server_door import NODE, NOON, MemoryDoor, certificate
from trustplane.console.guard import SESSION_COOKIE, Place
from trustplane.fault import Finding
from trustplane.people.account import Role
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import Order
from trustplane.wire.http_serve import HttpServer, tcp_listener

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.network,
    pytest.mark.skipif(browser() is None, reason="TRUSTPLANE_BROWSER names no browser"),
]

RULES = (Path(__file__).parents[2] / "kit" / "accessibility.js").read_text()
LOOKS = ((False, 1280), (True, 1280), (False, 390))
PATHS = (
    "/",
    "/trust",
    "/services",
    "/services/shop/web",
    "/nodes",
    "/failures",
    "/runbooks",
    "/runbooks/clocks",
    "/audit",
)


def fleet() -> Browser:
    door = MemoryDoor(bodies=[b'{"event":"signed-in","at":"2030-01-01T12:00:00Z","account":"ada"}'])
    door.certificates.append(certificate(0xABC))
    refusal = "no such filter <b>envoy.filters.http.none</b>\u202e" * 5
    door.held.append(Holding(NODE, "sidecar shop/web", "listener", "aa" * 32, "bb" * 32, refusal, NOON))
    found = (
        Browser(door, Place(is_tls=False, hosts=frozenset({"127.0.0.1"}))).knows(account(role=Role.AUDITOR)).applied()
    )
    found.client.run(door.start_rotation(Order("local:ada", "yearly rotation")))
    return found


class Changes:
    """As of a store: a topic whenever a test says so."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[object]:
        while True:
            await self.moved.wait()
            self.moved.clear()
            yield "changed"


@asynccontextmanager
async def served(of: Browser, changes: Changes) -> AsyncIterator[str]:
    listener = tcp_listener("127.0.0.1", 0)
    server = HttpServer(of.client.app, listener)
    running = [asyncio.create_task(server.run_until_cancelled()), asyncio.create_task(of.live.run(changes))]
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        of.live.close()
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def sign_in(page: Tab, url: str) -> None:
    await page.go(f"{url}/trust")
    fill = f"name.value = 'ada'; password.value = {PASSWORD!r}; document.querySelector('main button').click()"
    await page.run(f"(({{ name, password }}) => {{ {fill} }})(document.querySelector('.sign-in').elements)")
    await page.until("location.pathname === '/trust' && document.readyState === 'complete'")


async def scenario(of: Browser) -> None:
    changes = Changes()
    program = browser()
    assert program is not None
    async with served(of, changes) as url, tab(program) as page:
        await sign_in(page, url)
        await a_script_sees_no_cookie(page)
        await a_change_is_seen_without_reloading(page, url, of, changes)
        await every_page_can_be_used(page, url)
        assert page.complaints == []


async def a_script_sees_no_cookie(page: Tab) -> None:
    kept = {one["name"]: one for one in (await page.call("Network.getAllCookies"))["cookies"]}
    session = kept[SESSION_COOKIE]
    assert (session["secure"], session["httpOnly"], session["sameSite"]) == (True, True, "Strict")
    assert await page.run("document.cookie") == ""


async def a_change_is_seen_without_reloading(page: Tab, url: str, of: Browser, changes: Changes) -> None:
    await page.go(f"{url}/")
    await page.until("document.getElementById('live').textContent === 'Live.'")
    await page.run("window.isSame = true; document.querySelector('main a').focus()")
    of.door.reasons.append(Finding(code="no-authority", what="no authority is active", why="it expired", fix="restart"))
    await of.clock.advance(timedelta(seconds=2))  # what everyone looks at is no longer the newest
    changes.moved.set()
    await page.until("document.querySelector('main').textContent.includes('no authority is active')")
    assert await page.run("window.isSame")
    assert await page.run("document.activeElement.tagName") == "A"


async def every_page_can_be_used(page: Tab, url: str) -> None:
    kept = os.environ.get("TRUSTPLANE_SCREENSHOTS")
    for path in PATHS:
        await page.go(url + path)
        for dark, width in LOOKS:
            await page.wear(dark=dark, width=width)
            assert await page.run(RULES) == [], (path, dark, width)
            if kept:
                name = f"{path.strip('/').replace('/', '-') or 'overview'}-{'dark' if dark else 'light'}-{width}.png"
                await asyncio.to_thread((Path(kept) / name).write_bytes, await page.picture())


def test_people_sign_in_see_a_change_come_and_can_use_every_page() -> None:
    asyncio.run(scenario(fleet()))
