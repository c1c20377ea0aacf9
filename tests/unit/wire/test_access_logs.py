"""A sidecar's access log is believed about itself, and read within bounds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from tests.kit.envoy_bench import DESCRIPTOR_CACHE
from tests.kit.xds_ports import Attested, Desired
from trustplane.handshake.told import Told
from trustplane.host.envoy import find_envoy
from trustplane.registry.links import Side
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.logged import Logged
from trustplane.wire.access_logs import MOST_METADATA, MOST_READ, Listeners, service
from trustplane.wire.descriptors import Descriptors

METHOD = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
PEER = "spiffe://acme.example/ns/shop/sa/web"
ISSUER = "serialNumber=5f0c,CN=issuing"


class Seen:
    def __init__(self) -> None:
        self.calls: list[tuple[str, Side, str, str]] = []
        self.times = 0

    def seen(self, service: ServiceName, side: Side, peer: str, issuer: str, times: int = 1) -> None:
        self.calls.append((str(service), side, peer, issuer))
        self.times += times


class Decided:
    def __init__(self) -> None:
        self.lines: list[Logged] = []

    def decided(self, service: ServiceName, logged: Logged) -> None:
        assert str(service) == "shop/pay"
        self.lines.append(logged)


class Failed:
    def __init__(self) -> None:
        self.told: list[Told] = []

    def failed(self, service: ServiceName, told: Told) -> None:
        assert str(service) == "shop/pay"
        self.told.append(told)


Send = Callable[[list[dict[str, object]]], Awaitable[grpc.StatusCode]]


def log(node: str = "shop/pay", name: str = "caller", entries: int = 1, **tags: str) -> dict[str, object]:
    found = {"peer": PEER, "issuer": ISSUER, **tags}
    entry = {"common_properties": {"custom_tags": found}}
    return {"identifier": {"node": {"id": node}, "log_name": name}, "http_logs": {"log_entry": [entry] * entries}}


def _as_sent(content: object) -> object:
    """JSON has no bytes: what may be any text is written in base64."""
    if isinstance(content, list):
        return [_as_sent(one) for one in content]
    if not isinstance(content, dict):
        return content
    return {
        key: {tag: _bytes(text) for tag, text in value.items()}
        if key == "custom_tags"
        else _bytes(value)
        if key == "request_id"
        else _as_sent(value)
        for key, value in content.items()
    }


def _mapping(content: object) -> dict[str, object]:
    assert isinstance(content, dict)
    return content


def _bytes(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def sent(
    folder: Path, *messages: dict[str, object], into: Decided | None = None, failed: Failed | None = None
) -> tuple[Seen, grpc.StatusCode]:
    async def talk() -> tuple[Seen, grpc.StatusCode]:
        descriptors = Descriptors.of(find_envoy(None), DESCRIPTOR_CACHE)
        seen, desired = Seen(), Desired()
        desired.known_but_not_loaded.add("shop/pay")
        server = grpc.aio.server()
        told = Listeners(seen, into or Decided(), failed or Failed())
        server.add_generic_rpc_handlers((service(Attested(), desired, told, descriptors),))
        server.add_insecure_port(f"unix:{folder}/als.sock")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"unix:{folder}/als.sock") as channel:
                made = "envoy.service.accesslog.v3.StreamAccessLogsMessage"
                asked = iter([descriptors.parse(_mapping(_as_sent(one)), made) for one in messages])
                call: Any = channel.stream_unary(METHOD, request_serializer=_serialized)(asked)
                return seen, await call.code()
        finally:
            await server.stop(0)

    return asyncio.run(talk())


def test_whom_it_met_is_told_with_the_issuer(socket_dir: Path) -> None:
    later: dict[str, object] = {"http_logs": log()["http_logs"]}  # only the first message says whose log it is
    seen, status = sent(socket_dir, log(), later)
    assert status is grpc.StatusCode.OK
    assert seen.calls == [("shop/pay", Side.CALLER, PEER, ISSUER)] * 2


def test_a_process_that_is_not_that_sidecar_is_not_believed(socket_dir: Path) -> None:
    seen, status = sent(socket_dir, log(node="shop/ledger"))
    assert status is grpc.StatusCode.PERMISSION_DENIED
    assert seen.calls == []


def test_another_log_is_refused(socket_dir: Path) -> None:
    seen, status = sent(socket_dir, log(name="everything"))
    assert status is not grpc.StatusCode.OK
    assert seen.calls == []


def test_of_many_entries_an_even_sample_is_read_and_all_are_counted(socket_dir: Path) -> None:
    seen, _ = sent(socket_dir, log(entries=1000))
    assert len(seen.calls) <= MOST_READ
    assert seen.times == 1000


def test_what_is_hostile_is_cut(socket_dir: Path) -> None:
    seen, _ = sent(socket_dir, log(peer="x" * 100_000), {"http_logs": {"log_entry": [{}]}})
    assert [len(one[2]) for one in seen.calls] == [2100, 0]


def entry(asked: str, judged: str, request_id: str = "", peer: str = PEER) -> dict[str, object]:
    tags = {"peer": peer, "issuer": ISSUER, "asked": asked, "judged": judged}
    return {"common_properties": {"custom_tags": tags}, "request": {"request_id": request_id}}


def decisions(*entries: dict[str, object]) -> dict[str, object]:
    identifier = {"node": {"id": "shop/pay"}, "log_name": "decisions"}
    return {"identifier": identifier, "http_logs": {"log_entry": list(entries)}}


def test_every_decision_is_read_and_those_that_are_alike_are_one(socket_dir: Path) -> None:
    into = Decided()
    charges = [entry("9081 POST /charge", "{1}", f"id-{number}") for number in range(100)]
    seen, status = sent(socket_dir, decisions(*charges, entry("9081 GET /x", "{2}", "denied")), into=into)
    assert status is grpc.StatusCode.OK
    assert into.lines == [
        Logged(PEER, "9081 POST /charge", "{1}", 100, "id-99"),
        Logged(PEER, "9081 GET /x", "{2}", 1, "denied"),
    ]
    assert (seen.calls, seen.times) == ([("shop/pay", Side.CALLER, PEER, ISSUER)], 101)


def test_a_decision_that_is_too_long_is_cut(socket_dir: Path) -> None:
    into = Decided()
    sent(socket_dir, decisions(entry("9081 GET /" + "x" * 10_000, "x" * 100_000, "y" * 1000, "z" * 10_000)), into=into)
    (line,) = into.lines
    assert [len(one) for one in (line.peer, line.asked, line.judged, line.sample)] == [2100, 2100, 8192, 64]


def broken(name: str, logs: str, *entries: dict[str, str]) -> dict[str, object]:
    version = {"major_number": 1, "minor_number": 40, "patch": 2}
    node = {"id": "shop/pay", "user_agent_build_version": {"version": version}}
    listed = [{"common_properties": {"custom_tags": tags}} for tags in entries]
    return {"identifier": {"node": node, "log_name": name}, logs: {"log_entry": listed}}


@pytest.mark.parametrize(
    ("name", "logs", "called"),
    [("failed-inbound", "tcp_logs", "handshake"), ("failed-outbound", "http_logs", "outbound")],
)
def test_each_failure_is_told_with_the_build_of_its_proxy(socket_dir: Path, name: str, logs: str, called: str) -> None:
    failed = Failed()
    _, status = sent(socket_dir, broken(name, logs, {"flags": "UC", "log": "forged"}, {"flags": "UF"}), failed=failed)
    assert status is grpc.StatusCode.OK
    assert failed.told == [
        Told({"flags": "UC", "log": called}, (1, 40, 2)),
        Told({"flags": "UF", "log": called}, (1, 40, 2)),
    ]


def test_a_failure_with_too_much_in_it_is_cut(socket_dir: Path) -> None:
    failed = Failed()
    many = {f"{'x' * 100}{number}": "y" for number in range(200)}
    sent(socket_dir, broken("failed-inbound", "tcp_logs", {"tls_failure": "z" * 100_000}, many), failed=failed)
    assert len(failed.told[0].fields["tls_failure"]) == MOST_METADATA
    assert len(failed.told[1].fields) <= 41


def test_a_name_that_is_no_text_costs_nobody_else_a_record(socket_dir: Path) -> None:
    failed, into = Failed(), Decided()
    bad, good = "spiffe://\udcff\udcfe\x00\x1b[31m", {"peer_id": PEER}
    _, status = sent(socket_dir, broken("failed-inbound", "tcp_logs", {"peer_id": bad}, good), failed=failed)
    assert status is grpc.StatusCode.OK
    assert [one.fields["peer_id"] for one in failed.told] == ["spiffe://\ufffd\ufffd\x00\x1b[31m", PEER]
    sent(socket_dir, decisions(entry("9081 GET /\udcff", "{1}", peer=bad), entry("9081 GET /x", "{2}")), into=into)
    assert [one.asked for one in into.lines] == ["9081 GET /\ufffd", "9081 GET /x"]
