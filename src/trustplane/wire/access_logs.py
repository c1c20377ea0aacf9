"""Envoy's access log service, for the sidecars of this node: whom each met, and below which issuer.

A stream is believed about the sidecar whose process opened it, and about nothing else. Reading is bounded: of the
entries of one message that are more than can be afforded, an even sample is read and the rest is counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.message import Message

from trustplane.fault import Refused
from trustplane.registry.links import Side
from trustplane.spiffe.names import ServiceName
from trustplane.wire.descriptors import Descriptors
from trustplane.wire.grpc_status import answering
from trustplane.wire.xds_stream import MAX_NODE_CHARACTERS, Offers, Peers
from trustplane.xds.access_log import ISSUER, PEER

MOST_READ = 32  # entries of one message; a sidecar sends one every second or for every 16 KiB
MOST_TEXT = 2100
_SERVICE = "envoy.service.accesslog.v3."
_SIDES = {side.value: side for side in Side}
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Sightings(Protocol):
    def seen(self, service: ServiceName, side: Side, peer: str, issuer: str, times: int = 1) -> None: ...


def service(peers: Peers, offers: Offers, sightings: Sightings, descriptors: Descriptors) -> grpc.GenericRpcHandler:
    @answering
    async def stream(requests: AsyncIterator[Any], context: _Context) -> Message:
        selectors = await peers.selectors(context.peer())
        of: tuple[ServiceName, Side] | None = None
        async for message in requests:
            if of is None:
                node = message.identifier.node.id[:MAX_NODE_CHARACTERS]
                offers.sidecar(selectors, node)  # refuses a process that is not that sidecar's
                of = (ServiceName.parse(node), _side(message.identifier.log_name))
            _read(message, *of, sightings)
        return descriptors.message(f"{_SERVICE}StreamAccessLogsResponse")()

    handler = grpc.stream_unary_rpc_method_handler(
        stream,
        request_deserializer=descriptors.message(f"{_SERVICE}StreamAccessLogsMessage").FromString,
        response_serializer=_serialized,
    )
    return grpc.method_handlers_generic_handler(f"{_SERVICE}AccessLogService", {"StreamAccessLogs": handler})


def _read(message: Any, of: ServiceName, side: Side, sightings: Sightings) -> None:  # noqa: ANN401 - made from the binary
    entries = message.http_logs.log_entry
    step = -(-len(entries) // MOST_READ) or 1
    for start in range(0, len(entries), step):
        tags = entries[start].common_properties.custom_tags
        peer, issuer = tags.get(PEER, ""), tags.get(ISSUER, "")
        sightings.seen(of, side, peer[:MOST_TEXT], issuer[:MOST_TEXT], min(step, len(entries) - start))


def _side(log_name: str) -> Side:
    found = _SIDES.get(log_name)
    if found is None:
        raise Refused(
            code="access-log-unknown",
            what=f"access logs named {log_name!r:.100} are not taken here",
            why=f"a sidecar sends those of what it saw of its {' and '.join(_SIDES)}",
            fix="use the configuration the agent serves",
        )
    return found


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
