"""An ASGI application asked in memory, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
from starlette.types import ASGIApp


class AsgiClient:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own options
        return asyncio.run(self._request(method, path, given))

    def get(self, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own options
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own options
        return self.request("POST", path, **given)

    @staticmethod
    def run(work: Coroutine[Any, Any, object]) -> None:
        """Something else than a request, in between."""
        asyncio.run(work)

    async def _request(self, method: str, path: str, given: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, path, **given)
