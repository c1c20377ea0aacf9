"""The console as a browser has it: cookies, policies and keys as they are kept there, and pages as people see them.

With TRUSTPLANE_SCREENSHOTS every page is left there as a picture, light, dark and narrow, to be looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.accessibility import found_wrong, skips_the_header, walked_by_keyboard
from tests.kit.browser import Tab, browser, tab
from tests.kit.console import PASSWORD, Browser, account
from tests.kit.dry_runs import SHOWN
from tests.kit.server_door import NODE, NOON, WEB, MemoryDoor, certificate
from trustplane.console import pictures
from trustplane.console.guard import SESSION_COOKIE, Place
from trustplane.fault import Finding
from trustplane.flows.approvals.revocations import id_revocation
from trustplane.flows.approvals.root_changes import root_change
from trustplane.people.account import Role
from trustplane.people.person import Person
from trustplane.registry.records import Holding
from trustplane.rotation.root_change import Order
from trustplane.trust.revocation import Reason
from trustplane.wire.http_serve import HttpServer, tcp_listener

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.network,
]

# Every page in one of the first two at each run, and in all of them in the long one.
LOOKS = ((False, 1280), (True, 390), (True, 1280), (False, 390))
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
    "/audit/verify",
    "/dry-run",
    "/proposals",
    "/proposals/1",
    "/search?q=web",
    f"/certificates/{0xABC:032x}",
)


PROPOSING = (f"/propose/revoke-id?of={WEB}", "/propose/start-root-change", "/propose/waive-participant?of=agent+node-a")
OPERATORS = (f"/acts/revoke-certificate?of={0xABC:032x}", "/acts/pause-root-change?of=1", "/acts/stop-dry-run?of=")


def fleet(role: Role = Role.AUDITOR) -> Browser:
    door = MemoryDoor(standing=SHOWN, bodies=[b'{"event":"signed-in","at":"2030-01-01T12:00:00Z","account":"ada"}'])
    door.certificates.append(certificate(0xABC))
    refusal = "no such filter <b>envoy.filters.http.none</b>\u202e" * 5
    door.held.append(Holding(NODE, "sidecar shop/web", "listener", "aa" * 32, "bb" * 32, refusal, NOON))
    found = Browser(door, Place(is_tls=False, hosts=frozenset({"127.0.0.1"}))).knows(account(role=role)).applied()
    act = id_revocation(WEB, Reason.PRIVILEGE_WITHDRAWN, "INC-7")
    found.client.run(door.proposals().propose(act, Person("console:bob"), "left the company <b>\u202e"))
    found.client.run(broken_glass(door))
    found.client.run(door.start_rotation(Order("local:ada", "yearly rotation")))
    return found


async def broken_glass(door: MemoryDoor) -> None:
    act = root_change("stolen", is_emergency=True)
    async with door.proposals().broken_glass(act, Person("local:bob"), "INC-8, nobody else is awake"):
        pass


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
    async with served(of, changes) as url, tab(browser()) as page:
        await page.go(f"{url}/sign-in")
        assert await found_wrong(page) == []
        await sign_in(page, url)
        await a_script_sees_no_cookie(page)
        await a_change_is_seen_without_reloading(page, url, of, changes)
        await the_keyboard_is_enough(page, url)
        await a_picture_is_saved_as_pixels(page, url)
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


async def the_keyboard_is_enough(page: Tab, url: str) -> None:
    for path in ("/", "/trust", "/services/shop/web"):
        await page.go(url + path)
        assert await walked_by_keyboard(page) > 10
        assert await skips_the_header(page)


async def a_picture_is_saved_as_pixels(page: Tab, url: str) -> None:
    """Up to where it is handed to the browser to be kept."""
    await page.go(f"{url}/")
    await page.run(
        "const known = URL.createObjectURL; URL.createObjectURL = (made) => known(window.made = made);"
        "HTMLAnchorElement.prototype.click = function () { window.kept = this.download; };"
        "document.querySelector('a[data-png]').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    await page.until("window.kept")
    assert await page.run("window.kept") == "expiry.png"
    size = await page.run("createImageBitmap(window.made).then((one) => [window.made.type, one.width])")
    assert size == ["image/png", 2 * pictures.WIDTH]


async def every_page_can_be_used(page: Tab, url: str, paths: Sequence[str] = PATHS, *, every: bool = False) -> None:
    kept = os.environ.get("TRUSTPLANE_SCREENSHOTS")
    for number, path in enumerate(paths):
        await page.go(url + path)
        await page.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for dark, width in LOOKS if kept or every else [LOOKS[number % 2]]:
            await page.wear(dark=dark, width=width)
            assert await found_wrong(page) == [], (path, dark, width)
            if kept:
                name = f"{path.strip('/').replace('/', '-') or 'overview'}-{'dark' if dark else 'light'}-{width}.png"
                await asyncio.to_thread((Path(kept) / name).write_bytes, await page.picture())


def test_people_sign_in_see_a_change_come_and_can_use_every_page() -> None:
    asyncio.run(scenario(fleet()))


async def acting(of: Browser) -> None:
    async with served(of, Changes()) as url, tab(browser()) as page:
        await sign_in(page, url)
        await every_page_can_be_used(page, url, [*OPERATORS[:2], OPERATORS[2] + SHOWN.run.id, *PROPOSING])
        await page.go(f"{url}/trust")
        await page.run("document.querySelector('.act-link').focus()")
        await page.press("Enter", 13)
        await page.until("location.pathname === '/acts/pause-root-change' && document.readyState === 'complete'")
        await walked_by_keyboard(page)
        await page.run("document.querySelector('main button').focus()")
        await page.press("Enter", 13)
        await page.until(
            "location.pathname === '/trust' && document.querySelector('main').textContent.includes('paused')"
        )
        assert of.door.acts[-1] == "Paused by console:ada"
        assert page.complaints == []


def test_an_operator_pauses_a_change_of_root_by_keyboard_alone() -> None:
    asyncio.run(acting(fleet(Role.OPERATOR)))


async def approving(of: Browser) -> None:
    async with served(of, Changes()) as url, tab(browser()) as page:
        await sign_in(page, url)
        await every_page_can_be_used(page, url, ["/proposals/1"])
        await page.go(f"{url}/proposals")
        await page.run("document.querySelector('main table a').focus()")
        await page.press("Enter", 13)
        await page.until("location.pathname === '/proposals/1' && document.readyState === 'complete'")
        await walked_by_keyboard(page)
        await page.run("document.querySelector('#word').value = 'looked at its callers'")
        await page.run("document.querySelector('main button.do').focus()")
        await page.press("Enter", 13)
        await page.until("document.querySelector('main').textContent.includes('carried out')")
        assert [one.cause.by for one in of.door.revoked.ids] == ["console:bob, approved by console:ada (proposal 1)"]
        assert page.complaints == []


def test_an_approver_decides_by_keyboard_alone() -> None:
    asyncio.run(approving(fleet(Role.APPROVER)))


async def in_every_look(of: Browser) -> None:
    async with served(of, Changes()) as url, tab(browser()) as page:
        await sign_in(page, url)
        await every_page_can_be_used(page, url, every=True)


@pytest.mark.long
def test_every_page_can_be_used_light_and_dark_wide_and_narrow() -> None:
    asyncio.run(in_every_look(fleet()))
