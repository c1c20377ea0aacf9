"""Envoy's administration interface over its Unix socket: the few questions we ask and orders we give."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import httpx

from trustplane.fault import Unavailable

TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class EnvoyAdmin:
    """A connection per question: a sidecar is asked seldom and may be gone the next moment."""

    socket: Path

    async def ready(self) -> bool:
        """Whether its listeners are open."""
        try:
            return (await self._ask("GET", "/ready")).strip() == b"LIVE"
        except Unavailable:
            return False

    async def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose name matches the regular expression."""
        answer = json.loads(await self._ask("GET", "/stats", format="json", filter=pattern))
        return {one["name"]: one["value"] for one in answer["stats"] if isinstance(one.get("value"), int)}

    async def certs(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(await self._ask("GET", "/certs"))["certificates"]
        return found

    async def config(self) -> dict[str, object]:
        """All that it holds, as it holds it."""
        found: dict[str, object] = json.loads(await self._ask("GET", "/config_dump"))
        return found

    async def drain_listeners(self) -> None:
        """Tell clients to leave (HTTP/2 GOAWAY, `connection: close`) while requests under way finish."""
        await self._ask("POST", "/drain_listeners?graceful&skip_exit")

    async def _ask(self, method: str, path: str, **query: str) -> bytes:
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket))
        try:
            async with (
                httpx.AsyncClient(transport=transport, base_url="http://envoy", timeout=TIMEOUT_SECONDS) as client,
                client.stream(method, path, params=query or None) as answer,
            ):
                return await _whole(answer)
        except httpx.HTTPError as error:
            raise Unavailable(
                code="envoy-admin-unreachable",
                what=f"the sidecar's administration at {self.socket} does not answer",
                why=f"{type(error).__name__}: {error}"[:300],
                fix="look whether the sidecar runs, and at the end of its log",
            ) from error


async def _whole(answer: httpx.Response) -> bytes:
    found = bytearray()
    async for part in answer.aiter_bytes():
        found += part
        if len(found) > MAX_ANSWER_BYTES:
            raise Unavailable(
                code="envoy-admin-too-large",
                what="the sidecar's administration answered too much",
                why=f"more than {MAX_ANSWER_BYTES >> 20} MiB",
                fix="ask for fewer statistics",
            )
    if answer.status_code not in {200, 503}:  # 503 is /ready's way to say: not yet
        raise Unavailable(
            code="envoy-admin-refused",
            what=f"the sidecar's administration answered {answer.status_code}",
            why=bytes(found[:200]).decode(errors="replace"),
            fix="look at the end of the sidecar's log",
        )
    return bytes(found)
