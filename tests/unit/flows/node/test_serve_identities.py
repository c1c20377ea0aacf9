from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest

from tests.kit.clock import VirtualClock
from tests.kit.tokens import SigningKey
from tests.kit.workload import ACME, KID, PARTNER, Issuing, entry
from trustplane.attest.evidence import Evidence
from trustplane.fault import Fault, Refused, Unavailable
from trustplane.flows.feed import Feed
from trustplane.flows.node.serve_identities import HeldIdentities, ServeIdentities, X509Grant
from trustplane.registry.view import Entry
from trustplane.spiffe.bundle import Bundle, BundleSet, JwtAuthority
from trustplane.spiffe.ids import SpiffeId

Value = TypeVar("Value")
WEB = entry("web", "unix:uid:1001")
API = entry("api", "unix:uid:1001")
EXACT = entry("exact", "unix:uid:1001", f"unix:sha256:{'ab' * 32}")


@dataclass
class FakeCaller:
    """A process whose evidence a test sets; counts how often it is looked at."""

    uid: int = 1001
    sha256: str = "ab" * 32
    fault: Fault | None = None
    asked: list[bool] = field(default_factory=list)

    async def evidence(self, *, digest: bool) -> Evidence:
        self.asked.append(digest)
        if self.fault:
            raise self.fault
        return Evidence(self.uid, 100, executable_sha256=self.sha256 if digest else None)


GONE = Refused(code="caller-gone", what="gone", why="it exited", fix="connect again")


class Setting:
    def __init__(self, *entries: Entry) -> None:
        self.issuing = Issuing()
        self.feed = Feed(self.issuing.held(entries))
        self.serve = ServeIdentities(self.feed, self.issuing, VirtualClock())

    def publish(self, *entries: Entry) -> None:
        self.feed.publish(self.issuing.held(entries))


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


async def next_of(stream: AsyncIterator[Value]) -> Value:
    return await anext(stream)


async def nothing_more(stream: AsyncIterator[object]) -> None:
    """Nothing comes however often the loop turns."""
    waiting = asyncio.ensure_future(next_of(stream))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


def names(grant: X509Grant) -> list[str]:
    return [one.spiffe_id.path[-1] for one in grant.identities]


def test_a_process_is_looked_at_once_for_a_whole_subscription() -> None:
    async def scenario() -> None:
        one, caller = Setting(WEB), FakeCaller()
        stream = one.serve.follow_x509(caller)
        await anext(stream)
        for _ in range(3):
            one.publish(WEB)
            await anext(stream)
        assert caller.asked == [False]

    play(scenario)


def test_the_executables_digest_is_asked_for_when_an_entry_first_needs_it() -> None:
    async def scenario() -> None:
        one, caller = Setting(WEB), FakeCaller()
        stream = one.serve.follow_x509(caller)
        assert names(await anext(stream)) == ["web"]
        one.publish(WEB, EXACT)
        assert names(await anext(stream)) == ["web", "exact"]
        one.publish(WEB)
        assert names(await anext(stream)) == ["web"]
        assert caller.asked == [False, True]

    play(scenario)


def test_identical_content_is_not_said_again() -> None:
    async def scenario() -> None:
        one = Setting(WEB)
        stream = one.serve.follow_x509(FakeCaller())
        await anext(stream)
        held = one.feed.value
        one.feed.publish(HeldIdentities(held.held, BundleSet.of(one.issuing.bundle())))
        await nothing_more(stream)

    play(scenario)


def test_a_new_jwt_key_does_not_wake_who_follows_x509() -> None:
    async def scenario() -> None:
        one = Setting(WEB)
        x509_stream = one.serve.follow_x509(FakeCaller())
        jwt_stream = one.serve.follow_jwt_bundles(FakeCaller())
        await anext(x509_stream)
        await anext(jwt_stream)
        old = one.issuing.bundle()
        second = JwtAuthority("second", Issuing().jwt_key.public_key())
        keyed = Bundle(ACME, old.x509_authorities, (*old.jwt_authorities, second))
        one.feed.publish(HeldIdentities(one.feed.value.held, BundleSet.of(keyed)))
        assert b"second" in (await anext(jwt_stream))[ACME]
        await nothing_more(x509_stream)

    play(scenario)


def test_a_slow_subscriber_gets_the_newest_and_holds_up_nobody() -> None:
    async def scenario() -> None:
        one = Setting(WEB)
        slow, quick = one.serve.follow_x509(FakeCaller()), one.serve.follow_x509(FakeCaller())
        await anext(slow)
        await anext(quick)
        seen = []
        for _ in range(5):
            one.publish(WEB)
            seen.append(await anext(quick))
        assert await anext(slow) == seen[-1]
        await nothing_more(slow)

    play(scenario)


def test_the_last_entrys_end_ends_the_subscription() -> None:
    async def scenario() -> None:
        one = Setting(WEB, API)
        stream = one.serve.follow_x509(FakeCaller())
        assert names(await anext(stream)) == ["web", "api"]
        one.publish(API)
        assert names(await anext(stream)) == ["api"]
        one.publish()
        with pytest.raises(Refused) as refusal:
            await anext(stream)
        assert refusal.value.code == "no-identity"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    play(scenario)


def test_a_process_that_is_gone_gets_nothing() -> None:
    async def scenario() -> None:
        one = Setting(WEB)
        with pytest.raises(Refused) as refusal:
            await anext(one.serve.follow_x509(FakeCaller(fault=GONE)))
        assert refusal.value.code == "caller-gone"
        with pytest.raises(Refused):
            await one.serve.fetch_jwt(FakeCaller(fault=GONE), ["ledger"])
        assert one.issuing.minted == []

    play(scenario)


def test_an_identity_that_is_ready_does_not_wait_for_one_that_is_not() -> None:
    async def scenario() -> None:
        one = Setting(WEB)
        waiting = HeldIdentities((*one.feed.value.held, (API, None)), one.feed.value.bundles)
        one.feed.publish(waiting)
        stream = one.serve.follow_x509(FakeCaller())
        assert names(await anext(stream)) == ["web"]
        one.publish(WEB, API)
        assert names(await anext(stream)) == ["web", "api"]

    play(scenario)


def test_a_foreign_bundle_goes_only_to_who_has_to_do_with_that_domain() -> None:
    async def scenario() -> None:
        federated, plain = replace(WEB, federates=(PARTNER,)), entry("plain", "unix:uid:1002")
        one, partner = Setting(federated, plain), Issuing(PARTNER)
        held = one.feed.value.held
        one.feed.publish(HeldIdentities(held, BundleSet.of(one.issuing.bundle(), partner.bundle())))
        assert set((await anext(one.serve.follow_x509(FakeCaller()))).bundles) == {ACME, PARTNER}
        other = FakeCaller(uid=1002)
        assert set((await anext(one.serve.follow_x509(other))).bundles) == {ACME}
        assert set((await anext(one.serve.follow_x509_bundles(other))).bundles) == {ACME}
        assert set(await anext(one.serve.follow_jwt_bundles(other))) == {ACME}
        token = partner.token(SpiffeId(PARTNER, ("x",)), ["here"])
        with pytest.raises(Refused) as refused:
            await one.serve.validate_jwt(other, token, "here")
        assert "no bundle of that trust domain" in refused.value.finding.why

    play(scenario)


def test_a_domain_that_vouches_for_nothing_is_withdrawn() -> None:
    async def scenario() -> None:
        one = Setting(replace(WEB, federates=(PARTNER,)))
        partner = Issuing(PARTNER).bundle()
        held = one.feed.value.held
        one.feed.publish(HeldIdentities(held, BundleSet.of(one.issuing.bundle(), partner)))
        stream = one.serve.follow_x509_bundles(FakeCaller())
        assert set((await anext(stream)).bundles) == {ACME, PARTNER}
        one.feed.publish(HeldIdentities(held, BundleSet.of(one.issuing.bundle(), Bundle(PARTNER, ()))))
        assert set((await anext(stream)).bundles) == {ACME}

    play(scenario)


@pytest.mark.parametrize(
    ("audience", "code"),
    [([], "no-audience"), (["", "x"], "no-audience"), (["x"] * 33, "bad-audience"), (["x" * 2049], "bad-audience")],
)
def test_audiences_that_make_no_token(audience: Sequence[str], code: str) -> None:
    async def scenario() -> None:
        one, caller = Setting(WEB), FakeCaller()
        with pytest.raises(Refused) as refusal:
            await one.serve.fetch_jwt(caller, audience)
        assert refusal.value.code == code
        assert one.issuing.minted == []

    play(scenario)


def test_a_minter_that_is_away_is_unavailable_to_the_workload() -> None:
    class Away:
        async def mint(self, spiffe_id: SpiffeId, audience: Sequence[str]) -> str:
            del spiffe_id, audience
            raise Unavailable(code="server-away", what="away", why="it restarts", fix="wait")

    async def scenario() -> None:
        one = Setting(WEB)
        serve = ServeIdentities(one.feed, Away(), VirtualClock())
        with pytest.raises(Unavailable):
            await serve.fetch_jwt(FakeCaller(), ["ledger"])

    play(scenario)


def test_the_refusal_tells_a_process_only_what_it_knows_of_itself() -> None:
    async def scenario() -> None:
        one = Setting(WEB)
        with pytest.raises(Refused) as refusal:
            await anext(one.serve.follow_x509(FakeCaller(uid=7)))
        text = str(refusal.value)
        assert "unix:uid:7" in text
        assert "web" not in text
        assert "1001" not in text

    play(scenario)


def test_kits_bundle_names_the_key_its_tokens_are_signed_with() -> None:
    issuing = Issuing()
    key: SigningKey = issuing.jwt_key
    assert issuing.bundle().jwt_authorities == (JwtAuthority(KID, key.public_key()),)
