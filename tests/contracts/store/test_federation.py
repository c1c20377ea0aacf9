from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.contracts.store.records import NOW, opened
from tests.kit.partner import PARTNER, Partner
from trustplane.fault import Finding
from trustplane.spiffe.bundle import MAX_SEQUENCE
from trustplane.trust.federation import Peer

BUNDLE = Partner().bundle(MAX_SEQUENCE)
FINDING = Finding("endpoint-too-slow", "what", "why", "fix")


async def test_a_peer_comes_back_as_it_was_put(url: str) -> None:
    async with await opened(url) as store:
        assert await store.peers() == ()
        for version, peer in enumerate(
            [
                Peer(PARTNER).begun(BUNDLE, NOW),
                Peer(PARTNER).begun(BUNDLE, NOW).failed(FINDING, NOW),
                Peer(PARTNER).begun(None, NOW).took(BUNDLE, NOW),
                Peer(PARTNER).begun(BUNDLE, NOW).ended(NOW),
            ]
        ):
            assert await store.put_peer(replace(peer, version=version))
            assert await store.peers() == (replace(peer, version=version + 1),)


async def test_what_was_made_from_something_older_is_not_written(url: str) -> None:
    async with await opened(url) as store, await opened(url) as replica:
        peer = Peer(PARTNER).begun(BUNDLE, NOW)
        both = await asyncio.gather(store.put_peer(peer), replica.put_peer(peer))
        assert sorted(both) == [False, True]
        (stored,) = await replica.peers()
        assert await replica.put_peer(stored.failed(FINDING, NOW))
        assert not await store.put_peer(stored.ended(NOW))
        (stored,) = await store.peers()
        assert stored.ended_at is None
