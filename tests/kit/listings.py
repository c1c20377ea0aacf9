"""Lists of a server, to their last page."""

from __future__ import annotations

from collections.abc import Sequence

from trustplane.cli import admin
from trustplane.wire.http_shapes import HoldingShape, HoldingsShape


def every_holding(server: admin.Admin) -> Sequence[HoldingShape]:
    page = server.get("/v1/holdings", HoldingsShape, limit=1000)
    found = list(page.holdings)
    while page.next:
        page = server.get("/v1/holdings", HoldingsShape, limit=1000, after=page.next)
        found += page.holdings
    return found
