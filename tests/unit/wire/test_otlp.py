"""What a collector is told, read by the official messages over real HTTP; and what becomes of one that is not well."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from prometheus_client import CollectorRegistry, Counter, Gauge

from tests.kit.clock import VirtualClock
from tests.kit.handshakes import AT, refused
from tests.kit.otlp_receiver import Receiver, named, receiver
from trustplane.fault import Refused, Unavailable
from trustplane.handshake.stored import Stored, stored
from trustplane.spiffe.names import NodeName
from trustplane.wire import otlp
from trustplane.wire.otlp import Origin
from trustplane.wire.otlp_line import OtlpLine

pytestmark = pytest.mark.network

STARTED = datetime(2030, 1, 1, 12, tzinfo=UTC)
ORIGIN = Origin("trustplane-server", "server-1", "acme.example", "9.9", STARTED)
NODE = NodeName("node-a")


def registry() -> CollectorRegistry:
    found = CollectorRegistry()
    Counter("asked", "How often", ["code"], registry=found).labels("none").inc(3)
    Gauge("held", "How many", registry=found).set(2.5)
    return found


async def told(to: Receiver | str, failures: list[Stored] | None = None, patience: float = 10.0) -> int:
    endpoint = to if isinstance(to, str) else to.endpoint
    where = (f"{endpoint}/", {"Authorization": "Bearer secret"})
    line = OtlpLine(where, ORIGIN, registry(), VirtualClock(AT), patience)
    try:
        return await (line.send_metrics() if failures is None else line.send_failures(failures))
    finally:
        await line.close()


def test_figures_arrive_as_sums_and_gauges_of_this_process() -> None:
    with receiver() as collector:
        assert asyncio.run(told(collector)) == 0
        asked, held = collector.figures()["asked"], collector.figures()["held"]
        assert collector.headers[0]["authorization"] == "Bearer secret"
        resource = collector.metrics[0].resource_metrics[0].resource
    (point,) = asked.sum.data_points
    assert (asked.sum.is_monotonic, asked.sum.aggregation_temporality) == (True, AGGREGATION_TEMPORALITY_CUMULATIVE)
    assert (point.as_double, named(list(point.attributes))) == (3.0, {"code": "none"})
    assert point.start_time_unix_nano == int(STARTED.timestamp()) * 10**9
    assert point.time_unix_nano == int(AT.timestamp()) * 10**9 + AT.microsecond * 1000
    assert [one.as_double for one in held.gauge.data_points] == [2.5]
    assert named(list(resource.attributes))["service.instance.id"] == "server-1"


def test_a_failure_arrives_with_what_is_known_of_it_and_nothing_that_moves_a_cursor() -> None:
    hostile = refused(text="\x1b[2J\ud800\x00" + "x" * 5000)
    with receiver() as collector:
        assert asyncio.run(told(collector, [stored(NODE, refused()), stored(NODE, hostile)])) == 0
        first, second = collector.records()
    about = named(list(first.attributes))
    assert (first.event_name, first.severity_text) == ("trustplane.handshake.failure", "WARN")
    assert (about["trustplane.cause"], about["trustplane.node"]) == ("leaf-expired", "node-a")
    assert (about["trustplane.times"], about["trustplane.revision"]) == (1, 18)
    assert first.time_unix_nano == int(AT.timestamp()) * 10**9 + AT.microsecond * 1000
    text = str(named(list(second.attributes))["trustplane.text"])
    assert text.startswith("\\x1b[2J\\ud800\\x00xxx")
    assert text.isprintable()


def test_what_a_collector_did_not_take_of_some_is_counted() -> None:
    with receiver() as collector:
        partial = ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=7))
        collector.answer = partial.SerializeToString()
        assert asyncio.run(told(collector, [stored(NODE, refused())])) == 1
        for answer in (b"\xff" * 40, b"{}", b"x" * 100_000):
            collector.answer = answer
            assert asyncio.run(told(collector, [stored(NODE, refused())])) == 0


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_collector_that_is_busy_is_asked_again(status: int) -> None:
    with receiver() as collector:
        collector.status = status
        with pytest.raises(Unavailable, match="telemetry-not-taken"):
            asyncio.run(told(collector))


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
def test_what_a_collector_refuses_is_not_sent_again(status: int) -> None:
    with receiver() as collector:
        collector.status = status
        with pytest.raises(Refused, match="telemetry-refused") as refusal:
            asyncio.run(told(collector))
    assert "secret" not in str(refusal.value)


def test_a_collector_that_says_nothing_or_is_not_there_is_given_up() -> None:
    with receiver() as collector:
        collector.stalls = True
        with pytest.raises(Unavailable):
            asyncio.run(told(collector, patience=0.1))
        gone = collector.endpoint
    with pytest.raises(Unavailable):
        asyncio.run(told(gone))


def test_what_is_not_known_is_left_out() -> None:
    known = replace(refused().failure, tls=None, build=())
    request = otlp.failures(ORIGIN, [stored(NODE, replace(refused(), failure=known))], AT + timedelta(seconds=1))
    (record,) = request.resource_logs[0].scope_logs[0].log_records
    assert not {"tls.protocol.version", "trustplane.proxy_build"} & named(list(record.attributes)).keys()
