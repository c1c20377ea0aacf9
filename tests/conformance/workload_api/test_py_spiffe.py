"""The unmodified `spiffe` client from PyPI against our Workload API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from spiffe import WorkloadApiClient

from tests.kit.workload import entry, workload_endpoint

pytestmark = pytest.mark.network


def test_it_fetches_an_x509_svid(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with workload_endpoint(socket_dir, [entry("web")]) as endpoint:

            def fetch() -> str:
                with WorkloadApiClient(endpoint.address) as client:
                    return str(client.fetch_x509_svid().spiffe_id)

            assert await asyncio.to_thread(fetch) == "spiffe://acme.example/ns/shop/sa/web"

    asyncio.run(scenario())
