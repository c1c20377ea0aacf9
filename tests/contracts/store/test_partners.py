from __future__ import annotations

from tests.contracts.store.records import NOW, opened
from tests.kit.partner import PARTNER, Partner, Speaker
from trustplane.fault import Finding
from trustplane.spiffe.bundle import MAX_SEQUENCE
from trustplane.trust.partner import Shown

FINDING = Finding("endpoint-too-slow", "what", "why", "fix")
HELD = Partner.named("acme.example").bundle(MAX_SEQUENCE)
SAID = Speaker().statement(HELD, behind=3, at=NOW)


async def test_what_was_shown_comes_back_as_it_was_put_until_it_is_dropped(url: str) -> None:
    fresh = Shown(PARTNER)
    async with await opened(url) as store:
        assert await store.shown() == ()
        for shown in (
            fresh.was_silent(FINDING, NOW),
            fresh.failed(FINDING, NOW),
            fresh.said(SAID, NOW),
            fresh.said(SAID, NOW).failed(FINDING, NOW),
        ):
            await store.put_shown(shown)
            assert await store.shown() == (shown,)
        await store.drop_shown(PARTNER)
        assert await store.shown() == ()
