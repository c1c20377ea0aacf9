"""The admin sockets of the servers and agents that a demo or a rehearsal started."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from trustplane.fault import Fault, Refused, Unavailable
from trustplane.wire.http_shapes import ErrorShape, HealthShape

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Door:
    def __init__(self, path: Path) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://localhost", timeout=30.0
        )

    async def get(self, path: str, shape: type[Shape]) -> Shape:
        return msgspec.json.decode(await self.raw(path), type=shape)

    async def post(self, path: str, shape: type[Shape], body: msgspec.Struct) -> Shape:
        headers = {"Content-Type": "application/json", "Trustplane-Operator": "demo"}
        return msgspec.json.decode(await self._ask("POST", path, msgspec.json.encode(body), headers), type=shape)

    async def raw(self, path: str) -> bytes:
        return await self._ask("GET", path, b"", {})

    async def healthy(self) -> str:
        """Nothing when it can do its work, else why not."""
        try:
            answer = await self._client.get("/healthz")
            health = msgspec.json.decode(answer.content, type=HealthShape)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            return str(error) or type(error).__name__
        return "; ".join(one.what for one in health.reasons)

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> bytes:
        try:
            answer = await self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(
                code="demo-part-silent",
                what=f"nobody answered {method} {path}",
                why=str(error) or type(error).__name__,
                fix="run it again",
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise _fault(answer.content)
        return answer.content


def _fault(content: bytes) -> Fault:
    error = msgspec.json.decode(content, type=ErrorShape)
    return Refused(code="demo-part-refused", what=f"{error.code}: {error.what}", why=error.why, fix=error.fix)
