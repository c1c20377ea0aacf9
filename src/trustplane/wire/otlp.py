"""Our figures and failures in OpenTelemetry's protocol (OTLP 1): its own protobuf messages, filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from trustplane.handshake.stored import Stored

EVENT = "trustplane.handshake.failure"
SCOPE = "trustplane"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose figures they are. `started_at` is since when it counts."""

    service: str
    instance: str
    trust_domain: str
    version: str
    started_at: datetime

    def resource(self) -> Resource:
        named = {
            "service.name": self.service,
            "service.instance.id": self.instance,
            "service.version": self.version,
            "trustplane.trust_domain": self.trust_domain,
        }
        return Resource(attributes=_attributes(named))

    def scope(self) -> InstrumentationScope:
        return InstrumentationScope(name=SCOPE, version=self.version)


def metrics(origin: Origin, families: Iterable[Metric], at: datetime) -> ExportMetricsServiceRequest:
    found = [_metric(family, _nanos(origin.started_at), _nanos(at)) for family in families if family.samples]
    scoped = metrics_pb2.ScopeMetrics(scope=origin.scope(), metrics=found)
    of_resource = metrics_pb2.ResourceMetrics(resource=origin.resource(), scope_metrics=[scoped])
    return ExportMetricsServiceRequest(resource_metrics=[of_resource])


def _metric(family: Metric, since: int, at: int) -> metrics_pb2.Metric:
    """A counter under its own name; when it was made (`_created`) is said by the start of its points."""
    metric = metrics_pb2.Metric(name=family.name, description=family.documentation)
    if family.type == "counter":
        points = [_point(one, at, since) for one in family.samples if one.name == f"{family.name}_total"]
        cumulative = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.CopyFrom(metrics_pb2.Sum(data_points=points, aggregation_temporality=cumulative, is_monotonic=True))
    else:
        metric.gauge.CopyFrom(metrics_pb2.Gauge(data_points=[_point(one, at, 0) for one in family.samples]))
    return metric


def _point(sample: Sample, at: int, since: int) -> metrics_pb2.NumberDataPoint:
    return metrics_pb2.NumberDataPoint(
        attributes=_attributes(sample.labels), time_unix_nano=at, start_time_unix_nano=since, as_double=sample.value
    )


def failures(origin: Origin, records: Iterable[Stored], at: datetime) -> ExportLogsServiceRequest:
    scoped = logs_pb2.ScopeLogs(scope=origin.scope(), log_records=[_record(one, _nanos(at)) for one in records])
    of_resource = logs_pb2.ResourceLogs(resource=origin.resource(), scope_logs=[scoped])
    return ExportLogsServiceRequest(resource_logs=[of_resource])


def _record(one: Stored, at: int) -> logs_pb2.LogRecord:
    failure, kind, held = one.reported.failure, one.kind, one.reported.held
    told = {
        "trustplane.node": str(one.node),
        "trustplane.service": str(kind.service),
        "trustplane.side": kind.side.value,
        "trustplane.signature": kind.signature,
        "trustplane.cause": kind.cause,
        "trustplane.rejecter": kind.rejecter.value if kind.rejecter else "",
        "trustplane.times": failure.times,
        "trustplane.text": failure.text,
        "trustplane.response_flags": failure.flags,
        "trustplane.local_address": failure.local,
        "trustplane.peer_address": failure.peer,
        "trustplane.peer_id": kind.peer,
        "trustplane.peer_serial": failure.theirs.serial,
        "trustplane.peer_issuer_key": kind.issuer,
        "trustplane.own_serial": failure.ours.serial,
        "trustplane.own_issuer_key": kind.own_issuer,
        "trustplane.proxy_build": kind.build,
        "tls.protocol.version": kind.tls,
        "trustplane.bundle": held.bundle,
        "trustplane.revision": held.revision,
    }
    return logs_pb2.LogRecord(
        time_unix_nano=_nanos(one.reported.at),
        observed_time_unix_nano=at,
        severity_number=logs_pb2.SEVERITY_NUMBER_WARN,
        severity_text="WARN",
        event_name=EVENT,
        body=AnyValue(string_value=f"handshake failed: {kind.cause} ({kind.signature})"),
        attributes=_attributes(told),
    )


def _attributes(named: Mapping[str, str | int]) -> list[KeyValue]:
    """Without those that are not known."""
    return [KeyValue(key=name, value=_value(value)) for name, value in named.items() if value != ""]


def _value(value: str | int) -> AnyValue:
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=_shown(value))


def _shown(text: str) -> str:
    """A peer wrote some of it: what moves a cursor, and what is no text at all, is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _nanos(at: datetime) -> int:
    """Exact: a float has no room for nanoseconds since 1970."""
    return max(0, (at - _EPOCH) // timedelta(microseconds=1)) * 1000
