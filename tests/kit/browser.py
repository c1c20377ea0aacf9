"""A headless Chromium, driven over its own protocol: one page, cookies as a browser keeps them, screenshots.

Which browser is said by TRUSTPLANE_BROWSER, or found where Debian puts it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect

PATIENCE_SECONDS = 60.0
NAMES = ("chromium-headless-shell", "chromium")
# Without the last of these it looks for hosts of its maker at every start.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)


def browser() -> str | None:
    return os.environ.get("TRUSTPLANE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


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

    async def look(self, path: Path, *, dark: bool = False, width: int = 1280, height: int = 1600) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        picture = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(picture["data"]))


@asynccontextmanager
async def tab(program: str) -> AsyncIterator[Tab]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with connect(await _endpoint(process), max_size=None) as connection:
                found = Tab(connection)
                await found.attach()
                yield found
        finally:
            process.kill()
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
