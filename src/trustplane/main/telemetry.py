"""Telemetry to a collector, where the operator named one: put together, and how it fares as metrics of its own."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from trustplane.clock import Clock
from trustplane.fault import Refused
from trustplane.flows.records.export_telemetry import ExportTelemetry, WaitingFailures
from trustplane.host.small_file import read_small
from trustplane.main.metrics.measure import counter, gauge
from trustplane.main.settings import TelemetrySettings
from trustplane.spiffe.ids import TrustDomain
from trustplane.wire.otlp import Origin
from trustplane.wire.otlp_line import OtlpLine

EVERY = timedelta(seconds=15)
MAX_HEADERS_BYTES = 16 * 1024
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)")
_OURS = frozenset({"content-type", "content-encoding", "content-length", "host", "transfer-encoding", "connection"})

FAILED = counter("trustplane_telemetry_exports_failed", "Exports that the collector did not take whole", "signal")
LOST = counter("trustplane_telemetry_failures_lost", "Failed handshakes that the collector was not told of")
WAITING = gauge("trustplane_telemetry_failures_waiting", "Failed handshakes that wait to be told to the collector")


def telemetry_of(
    settings: TelemetrySettings,
    whose: tuple[str, str, TrustDomain],
    registry: CollectorRegistry,
    clock: Clock,
    doors: AsyncExitStack,
    *,
    waiting: WaitingFailures,
) -> list[Coroutine[None, None, None]]:
    """What is still to be run; nothing where nobody is to be told. `whose`: the process, its name, its domain."""
    if settings.endpoint is None:
        return []
    process, name, domain = whose
    headers = read_headers(settings.headers_file) if settings.headers_file else {}
    origin = Origin(f"trustplane-{process}", name, str(domain), version("trustplane"), clock.now())
    line = OtlpLine((settings.endpoint, headers), origin, registry, clock)
    telemetry = ExportTelemetry(line, waiting, EVERY, clock)
    registry.register(TelemetryMetrics(telemetry))
    doors.push_async_callback(line.close)
    return [telemetry.run()]


def read_headers(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(read_small(file, MAX_HEADERS_BYTES).decode("ascii", "replace").splitlines(), 1):
        if not line.strip():
            continue
        header = _HEADER.fullmatch(line)
        if header is None or header[1].lower() in _OURS:
            raise _bad_headers(file, f"line {number} is no header that can be sent")  # never the line: it is a secret
        found[header[1]] = header[2]
    return found


def _bad_headers(file: Path, why: str) -> Refused:
    return Refused(
        code="bad-otlp-headers",
        what=f"{file} is no file of headers",
        why=why,
        fix="write lines such as Authorization: Bearer TOKEN",
    )


class TelemetryMetrics(Collector):
    def __init__(self, telemetry: ExportTelemetry) -> None:
        self._telemetry = telemetry

    def describe(self) -> Iterator[Metric]:
        return iter(())  # else registering would collect

    def collect(self) -> Iterator[Metric]:
        yield FAILED.each(([signal], times) for signal, times in sorted(self._telemetry.failed.items()))
        yield LOST.of(self._telemetry.waiting.lost)
        yield WAITING.of(len(self._telemetry.waiting))
