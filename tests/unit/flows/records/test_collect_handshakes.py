"""Failed handshakes are told whole within bounds, and none is counted nowhere."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.kit.ca import TestCa
from tests.kit.clock import VirtualClock
from tests.kit.handshakes import EXPIRED, HELD, UNKNOWN_ISSUER
from tests.kit.policies import PAYMENTS
from trustplane.fault import Unavailable
from trustplane.flows.records import collect_handshakes
from trustplane.flows.records.collect_handshakes import CollectHandshakes
from trustplane.handshake.delivery import HandshakeParcel
from trustplane.handshake.failure import Claims, Side
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.setup import Became, Setup
from trustplane.handshake.told import Told
from trustplane.registry.parcels import Losses
from trustplane.spiffe.certificates import authority_key_id
from trustplane.spiffe.names import NodeName, ServiceName

NOW = VirtualClock().now()
OURS = Claims("spiffe://shop.example/ns/shop/sa/payments", "0b" * 16, "", NOW + timedelta(hours=1), "e" * 40)
BUILD = (1, 40, 0)


def inbound(port: int = 1, text: str = EXPIRED, **fields: str) -> Told:
    told = {"log": "handshake", "start": f"{NOW:%Y-%m-%dT%H:%M:%S.000Z}", "tls_failure": text, "tls_version": "TLSv1.3"}
    return Told({**told, "peer": f"10.0.0.1:{port}", "local": "10.0.0.2:20203", "peer_id": "-", **fields}, BUILD)


def outbound(local: str = "10.0.0.1:1", flags: str = "UC", **fields: str) -> Told:
    told = {"log": "outbound", "start": f"{NOW:%Y-%m-%dT%H:%M:%S.000Z}", "flags": flags, "tls_version": "TLSv1.3"}
    return Told({**told, "upstream": "10.0.0.2:20203", "upstream_local": local, "details": "reset", **fields}, BUILD)


class MemorySpool:
    def __init__(self) -> None:
        self.written: dict[int, HandshakeParcel] = {}
        self.closed: list[int] = []
        self.full = False

    async def write(self, parcel: HandshakeParcel) -> int:
        if self.full:
            raise Unavailable(code="spool-not-written", what="full", why="full", fix="wait")
        self.written[parcel.id.number] = parcel
        return 0

    async def close(self, number: int) -> None:
        self.closed.append(number)


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.spool = MemorySpool()
        self.collecting = CollectHandshakes(NodeName("node-a"), "a" * 32, self._given, self.spool, self.clock)

    def _given(self, service: ServiceName, at: datetime) -> tuple[Held, Claims]:
        assert (service, at) == (PAYMENTS, NOW)
        return HELD, OURS

    def fail(self, *told: Told) -> None:
        for one in told:
            self.collecting.failed(PAYMENTS, one)

    def parcel(self) -> HandshakeParcel:
        async def close() -> None:
            await self.collecting.close()

        asyncio.run(close())
        return self.spool.written[max(self.spool.written)]


def test_what_a_sidecar_became_is_told_soon_and_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_handshakes, "MOST_SETUPS", 2)
    bench = Bench()
    became = [Became(PAYMENTS, NOW, Setup(build)) for build in ("1", "2", "3")]
    assert [bench.collecting.became(one) for one in became] == [True, True, False]
    assert bench.parcel().setups == tuple(became[:2])
    assert bench.collecting.became(became[2]), "the next parcel has room again"


def test_a_record_has_what_the_proxy_wrote_and_what_it_held() -> None:
    bench, ca = Bench(), TestCa.root("evil.example")
    leaf, _ = ca.leaf("/web")
    pem = quote(leaf.public_bytes(Encoding.PEM).decode())
    bench.fail(inbound(7, peer_id="spiffe://evil.example/web", peer_certificate=pem))
    (found,) = bench.parcel().failures
    failure = found.failure
    assert (found.service, found.side, found.held, failure.ours) == (PAYMENTS, Side.SERVER, HELD, OURS)
    assert (failure.build, failure.text, failure.peer) == (BUILD, EXPIRED, "10.0.0.1:7")
    assert failure.theirs == Claims(
        "spiffe://evil.example/web", f"{leaf.serial_number:032x}", "", leaf.not_valid_after_utc, authority_key_id(leaf)
    )


def test_a_proxy_that_presents_another_name_than_it_was_given_is_believed() -> None:
    bench = Bench()
    bench.fail(inbound(7, local_id="spiffe://evil.example/other"))
    (found,) = bench.parcel().failures
    assert found.failure.ours == Claims("spiffe://evil.example/other")


@pytest.mark.parametrize(
    "certificate",
    ["-", "%", "\x00", "%2D" * 10_000, quote("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")],
)
def test_a_certificate_that_cannot_be_read_costs_only_what_it_would_add(certificate: str) -> None:
    bench = Bench()
    bench.fail(inbound(peer_certificate=certificate, peer_serial="0c"))
    (found,) = bench.parcel().failures
    assert found.failure.theirs == Claims(serial="0c")


def test_what_is_no_failure_is_counted_as_unread() -> None:
    bench = Bench()
    bench.fail(Told({}), Told({"log": "outbound", "start": "-", "flags": "UC"}), outbound(flags="-"))
    assert bench.collecting.unread == 3
    assert bench.spool.written == {}


def test_one_connection_fails_once_however_many_requests_were_on_it() -> None:
    bench = Bench()
    bench.fail(*[outbound()] * 20, outbound("10.0.0.1:2"), *[outbound("-", "UF")] * 2)
    assert [one.failure.local for one in bench.parcel().failures] == ["10.0.0.1:1", "10.0.0.1:2", "", ""]
    assert bench.collecting.counted == {Side.CLIENT: 4, Side.SERVER: 0}


def test_beyond_a_minutes_share_those_alike_are_counted_in_one_and_another_is_still_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collect_handshakes, "MOST_WHOLE", 3)
    bench = Bench()
    bench.fail(*(inbound(port) for port in range(1, 100)), *(inbound(port, UNKNOWN_ISSUER) for port in (1, 2)))
    parcel = bench.parcel()
    assert [one.failure.times for one in parcel.failures] == [1, 1, 97, 2]
    assert parcel.losses == Losses(folded=97)


def test_what_fits_nowhere_is_counted_as_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_handshakes, "MOST_FAILURES", 2)
    bench = Bench()
    shapes = "alpha", "beta", "gamma", "delta", "alpha"
    bench.fail(*(inbound(port, f"TLS_error:|{text}:TLS_error_end") for port, text in enumerate(shapes, start=1)))
    parcel = bench.parcel()
    assert ([one.failure.times for one in parcel.failures], parcel.losses) == ([2, 1], Losses(dropped=2, folded=1))
    assert bench.collecting.dropped == 2


def test_names_that_a_caller_makes_up_make_no_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_handshakes, "MOST_WHOLE", 1)
    bench = Bench()
    for number in range(50):
        name = f"spiffe://evil.example/{number}"
        bench.fail(inbound(number + 1, f"SAN_matcher,_certificate_SANs_are_[{name}]", peer_id=name))
    assert len(bench.parcel().failures) == 1


def test_a_failure_is_not_kept_waiting_and_successes_are_added_up() -> None:
    async def play() -> None:
        bench = Bench()
        running = asyncio.create_task(bench.collecting.run())
        bench.collecting.completed(PAYMENTS, Side.SERVER, 5)
        bench.collecting.completed(PAYMENTS, Side.SERVER, 7)
        bench.collecting.completed(PAYMENTS, Side.CLIENT, 0)
        await bench.clock.advance(timedelta(seconds=10))
        assert (bench.spool.closed, bench.spool.written[1].completed) == ([], {(PAYMENTS, Side.SERVER): 12})
        bench.fail(inbound())
        await bench.clock.advance(timedelta(seconds=10))
        assert (bench.spool.closed, len(bench.spool.written[1].failures)) == ([1], 1)
        running.cancel()

    asyncio.run(play())


def test_what_a_full_disk_does_not_take_stays_in_memory() -> None:
    async def play() -> list[Reported]:
        bench = Bench()
        bench.spool.full = True
        bench.fail(inbound())
        with pytest.raises(Unavailable):
            await bench.collecting.close()
        bench.fail(inbound(2))
        bench.spool.full = False
        await bench.collecting.close()
        return list(bench.spool.written[1].failures)

    assert len(asyncio.run(play())) == 2


def test_what_no_agent_took_is_told_as_dropped_and_soon() -> None:
    bench = Bench()

    async def play() -> None:
        bench.collecting.miss(55)
        await bench.collecting.keep()
        await bench.clock.advance(timedelta(seconds=6))
        await bench.collecting.keep()

    asyncio.run(play())
    assert bench.spool.written[1].losses == Losses(dropped=55)
    assert bench.spool.closed == [1]
    assert (bench.collecting.missed, bench.collecting.dropped) == (55, 0)
