from __future__ import annotations

import asyncio
import json
import os

import pytest

from trustplane.main.demo.log import Tally, read_lines

WEB, PAY = "spiffe://shop.example/ns/shop/sa/web", "spiffe://shop.example/ns/shop/sa/payments"
COMMON: dict[str, object] = {"status": 200, "tls_version": "TLSv1.3"}
INBOUND = {"log": "inbound", **COMMON, "peer_id": WEB, "local_id": PAY, "peer_serial": "a1"}
OUTBOUND = {"log": "outbound", **COMMON, "peer_id": PAY, "local_id": WEB, "upstream": "10.0.0.7:20202"}


def tallied(*lines: dict[str, object]) -> Tally:
    async def count() -> Tally:
        tally = Tally()
        reading, writing = os.pipe()
        os.write(writing, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        os.close(writing)
        await read_lines(reading, tally)
        return tally

    return asyncio.run(count())


def test_every_call_with_tls_and_an_identity_at_both_ends_is_all_mtls() -> None:
    tally = tallied(OUTBOUND, INBOUND)
    assert tally.all_mtls
    assert tally.edges == {(WEB, PAY): 1}


@pytest.mark.parametrize("side", [INBOUND, OUTBOUND], ids=["callee", "caller"])
@pytest.mark.parametrize(
    "wrong",
    [{"tls_version": None}, {"tls_version": "TLSv1.2"}, {"peer_id": None}, {"peer_id": "-"}, {"local_id": ""}],
    ids=["clear text", "old TLS", "nobody", "a dash", "no own identity"],
)
def test_one_line_without_mtls_on_either_side_is_enough(side: dict[str, object], wrong: dict[str, object]) -> None:
    assert not tallied(OUTBOUND, INBOUND, {**side, **wrong}).all_mtls


def test_nothing_logged_is_not_all_mtls() -> None:
    assert not tallied().all_mtls
    assert not tallied(OUTBOUND).all_mtls


def test_a_request_that_found_nobody_to_go_to_did_not_go_anywhere_in_the_clear() -> None:
    tally = tallied(OUTBOUND, INBOUND, {"log": "outbound", "status": 503, "upstream": None, "tls_version": None})
    assert tally.all_mtls
    assert (tally.outbound, tally.unsent) == (1, 1)


def test_refusals_and_failed_handshakes_are_counted() -> None:
    tally = tallied({**INBOUND, "status": 403}, {"log": "handshake", "tls_failure": "NO_CERT"})
    assert (tally.refused, tally.handshakes_failed) == (1, 1)
