"""Envoy's access log service, for the sidecars of this node: what each decided, whom it met below which issuer, and
which of its connections failed.

A stream is believed about the sidecar whose process opened it, and about nothing else. Every decision is read, and
entries that are alike are taken as one. Of what went out, an even sample of a message is read and the rest counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.message import Message

from trustplane.fault import Refused
from trustplane.handshake.told import Told
from trustplane.registry.links import Side
from trustplane.spiffe.names import ServiceName
from trustplane.verdict.logged import Logged
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.grpc_status import answering
from trustplane.wire.xds_stream import MAX_NODE_CHARACTERS, Offers, Peers
from trustplane.xds.access_log import ASKED, DECISIONS, FAILED_IN, FAILED_OUT, ISSUER, JUDGED, PEER

MOST_READ = 32  # entries of one message of what went out
MOST_TEXT = 2100
MOST_METADATA = 8192
MOST_TAG, MOST_TAGS = 64, 40
_SERVICE = "envoy.service.accesslog.v3."
_LOGS = (*(side.value for side in Side), DECISIONS, FAILED_IN, FAILED_OUT)
_FAILED = {FAILED_IN: "handshake", FAILED_OUT: "outbound"}  # as the same log is called in a file
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Sightings(Protocol):
    def seen(self, service: ServiceName, side: Side, peer: str, issuer: str, times: int = 1) -> None: ...


class Decisions(Protocol):
    def decided(self, service: ServiceName, logged: Logged) -> None: ...


class Failures(Protocol):
    def failed(self, service: ServiceName, told: Told) -> None: ...


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what."""

    sightings: Sightings
    decisions: Decisions
    failures: Failures


@dataclass(frozen=True, slots=True)
class _Log:
    """Whose it is, which one, and what wrote it."""

    service: ServiceName
    name: str
    build: tuple[int, ...]


def service(peers: Peers, offers: Offers, told: Listeners, descriptors: Descriptors) -> grpc.GenericRpcHandler:

    @answering
    async def stream(requests: AsyncIterator[Any], context: _Context) -> Message:
        selectors = await peers.selectors(context.peer())
        of: _Log | None = None
        async for message in requests:
            if of is None:
                node = message.identifier.node.id[:MAX_NODE_CHARACTERS]
                offers.sidecar(selectors, node)  # refuses a process that is not that sidecar's
                of = _log(ServiceName.parse(node), message.identifier)
            _read(message, of, told)
        return descriptors.message(f"{_SERVICE}StreamAccessLogsResponse")()

    handler = grpc.stream_unary_rpc_method_handler(
        stream,
        request_deserializer=descriptors.message(f"{_SERVICE}StreamAccessLogsMessage").FromString,
        response_serializer=_serialized,
    )
    return grpc.method_handlers_generic_handler(f"{_SERVICE}AccessLogService", {"StreamAccessLogs": handler})


def _read(message: Any, of: _Log, told: Listeners) -> None:  # noqa: ANN401 - made from the binary
    if of.name in _FAILED:
        for entry in (*message.tcp_logs.log_entry, *message.http_logs.log_entry):
            tags = entry.common_properties.custom_tags
            fields = {tag[:MOST_TAG]: _text(value, MOST_METADATA) for tag, value in list(tags.items())[:MOST_TAGS]}
            told.failures.failed(of.service, Told({**fields, "log": _FAILED[of.name]}, of.build))
    elif of.name == DECISIONS:
        _read_decisions(message, of.service, told.sightings, told.decisions)
    else:
        _read_sample(message, of.service, Side(of.name), told.sightings)


def _read_sample(message: Any, of: ServiceName, side: Side, sightings: Sightings) -> None:  # noqa: ANN401 - made from the binary
    entries = message.http_logs.log_entry
    step = -(-len(entries) // MOST_READ) or 1
    for start in range(0, len(entries), step):
        tags = entries[start].common_properties.custom_tags
        peer, issuer = _text(tags.get(PEER, b"")), _text(tags.get(ISSUER, b""))
        sightings.seen(of, side, peer, issuer, min(step, len(entries) - start))


def _read_decisions(message: Any, of: ServiceName, sightings: Sightings, decisions: Decisions) -> None:  # noqa: ANN401 - made from the binary
    met: dict[tuple[bytes, bytes], int] = {}
    alike: dict[tuple[bytes, bytes, bytes], tuple[int, Any]] = {}
    for entry in message.http_logs.log_entry:
        tags = entry.common_properties.custom_tags
        peer, asked, judged = tags.get(PEER, b""), tags.get(ASKED, b""), tags.get(JUDGED, b"")
        pair = (peer, tags.get(ISSUER, b""))
        met[pair] = met.get(pair, 0) + 1
        key = (peer, asked, judged)
        alike[key] = (alike[key][0] + 1 if key in alike else 1, entry)
    for (peer, issuer), times in met.items():
        sightings.seen(of, Side.CALLER, _text(peer), _text(issuer), times)
    for (peer, asked, judged), (count, last) in alike.items():
        sample = _text(last.request.request_id, 64)
        decisions.decided(of, Logged(_text(peer), _text(asked), _text(judged, MOST_METADATA), count, sample))


def _text(sent: bytes, most: int = MOST_TEXT) -> str:
    return sent[:most].decode("utf-8", "replace")


def _log(service: ServiceName, identifier: Any) -> _Log:  # noqa: ANN401 - made from the binary
    name = identifier.log_name
    if name not in _LOGS:
        raise Refused(
            code="access-log-unknown",
            what=f"access logs named {name!r:.100} are not taken here",
            why=f"a sidecar sends those named {', '.join(_LOGS)}",
            fix="use the configuration the agent serves",
        )
    version = identifier.node.user_agent_build_version.version
    return _Log(service, name, (version.major_number, version.minor_number, version.patch))


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
