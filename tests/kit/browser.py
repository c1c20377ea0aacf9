"""A headless Chromium, driven over its own protocol: one page, cookies as a browser keeps them, screenshots.

Which one, TRUSTPLANE_BROWSER says; without it, the one of Debian's package chromium-headless-shell.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect

from tests.kit.debian import tool

PATIENCE_SECONDS = 60.0
# Without the last of these it looks for hosts of its maker at every start.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)


def browser() -> str:
    return os.environ.get("TRUSTPLANE_BROWSER") or tool("chromium-headless-shell")


class Tab:
    """One page. What a script of the page throws fails the call."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self._session = ""
        self.complaints: list[str] = []  # of the console and the network, such as a policy that was broken

    async def attach(self) -> None:
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")

    async def call(self, method: str, **given: object) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": given}
        await self._connection.send(json.dumps(asked | ({"sessionId": self._session} if self._session else {})))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                heard = json.loads(await self._connection.recv())
                if heard.get("id") == self._number:
                    assert "error" not in heard, heard
                    return cast("dict[str, Any]", heard["result"])
                if heard.get("method") == "Log.entryAdded":
                    self.complaints.append(heard["params"]["entry"]["text"])

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until(f"document.readyState == 'complete' && location.href.startsWith({json.dumps(url[:20])})")

    async def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the script makes
        found = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, condition: str) -> None:
        """A page that is being left may answer for the old one or not at all."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    if await self.run(condition):
                        return
                except AssertionError:
                    pass
                await asyncio.sleep(0.05)

    async def press(self, key: str, code: int) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        given = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **given, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    async def wear(self, *, dark: bool, width: int, height: int = 1000) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self) -> bytes:
        """PNG, of the whole page."""
        taken = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def tab(program: str) -> AsyncIterator[Tab]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            connection = await connect(await _endpoint(process), max_size=None, close_timeout=1)
            found = Tab(connection)
            await found.attach()
            yield found
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # its children hold its pipes open
            await process.wait()


async def _endpoint(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in process.stderr:
            _, found, rest = line.decode().partition("DevTools listening on ")
            if found:
                return rest.strip()
    message = "the browser ended before it listened"
    raise AssertionError(message)
