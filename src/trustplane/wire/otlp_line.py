"""OTLP over HTTP to a collector: one POST for the figures, one for some failures, each bounded in time and size."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

import httpx
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from prometheus_client import CollectorRegistry

from trustplane.clock import Clock
from trustplane.fault import Refused, Unavailable
from trustplane.handshake.stored import Stored
from trustplane.wire import otlp
from trustplane.wire.otlp import Origin

PATIENCE_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
_TRY_AGAIN = frozenset({408, 429, 502, 503, 504})  # OTLP/HTTP: of the others, the same again is refused again

Answer = TypeVar("Answer", bound=Message)


class OtlpLine:
    """Satisfies `flows.records.export_telemetry.Line`. `where`: the endpoint, and headers, which may be secrets."""

    def __init__(
        self,
        where: tuple[str, Mapping[str, str]],
        origin: Origin,
        registry: CollectorRegistry,
        clock: Clock,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        endpoint, headers = where
        self._endpoint = endpoint.rstrip("/")
        self._patience = patience
        self._origin = origin
        self._registry = registry
        self._clock = clock
        given = {**headers, "Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        # No proxy or netrc out of the environment: what is sent goes where the operator said.
        self._client = httpx.AsyncClient(
            headers=given, timeout=patience, verify=ssl.create_default_context(), trust_env=False
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send_metrics(self) -> int:
        request = otlp.metrics(self._origin, self._registry.collect(), self._clock.now())
        answer = await self._post("/v1/metrics", request, ExportMetricsServiceResponse())
        return answer.partial_success.rejected_data_points

    async def send_failures(self, failures: Sequence[Stored]) -> int:
        request = otlp.failures(self._origin, failures, self._clock.now())
        answer = await self._post("/v1/logs", request, ExportLogsServiceResponse())
        return min(len(failures), max(0, answer.partial_success.rejected_log_records))

    async def _post(self, path: str, request: Message, answer: Answer) -> Answer:
        content = gzip.compress(request.SerializeToString(), 1)
        try:
            async with (
                asyncio.timeout(self._patience),
                self._client.stream("POST", self._endpoint + path, content=content) as response,
            ):
                received = await _received(response)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _not_taken(self._endpoint, str(error) or type(error).__name__) from error
        if response.status_code in _TRY_AGAIN:
            raise _not_taken(self._endpoint, f"it answered {response.status_code}")
        if not response.is_success:
            raise _refused(self._endpoint + path, response.status_code)
        try:
            answer.ParseFromString(received)
        except DecodeError:
            answer.Clear()  # taken, in an answer of another kind: some collectors say nothing, or JSON
        return answer


async def _received(response: httpx.Response) -> bytes:
    """Its beginning: an answer that is longer says nothing that we ask."""
    received = bytearray()
    async for chunk in response.aiter_bytes():
        received += chunk
        if len(received) > MAX_ANSWER_BYTES:
            return b""
    return bytes(received)


def _not_taken(endpoint: str, why: str) -> Unavailable:
    return Unavailable(
        code="telemetry-not-taken",
        what=f"the collector at {endpoint} does not take telemetry",
        why=why[:300],
        fix="see that it runs and takes OTLP over HTTP there; nothing else of trustplane waits for it",
        retry_after=timedelta(seconds=15),
    )


def _refused(where: str, status: int) -> Refused:
    return Refused(
        code="telemetry-refused",
        what=f"the collector refused what was sent to {where}",
        why=f"it answered {status}",
        fix="check the endpoint, without /v1/metrics at its end, and the file of --otlp-headers-file",
    )
