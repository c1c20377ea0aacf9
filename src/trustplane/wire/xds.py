"""xDS for Envoy over gRPC: ADS for the sidecars we manage, SDS for any other Envoy.

Each stream gets what its peer is entitled to and nothing else; `wire.xds_stream` says how.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from trustplane.fault import Unavailable
from trustplane.wire.grpc_status import answering
from trustplane.wire.xds_messages import XdsMessages
from trustplane.wire.xds_stream import Stream, XdsPorts
from trustplane.xds.conversation import Conversation, Dialect, Ended, Held, Offered, Unknown
from trustplane.xds.resources import Kind
from trustplane.xds.topic import Answer

MAX_REQUEST_BYTES = 1 << 20
SERVER_OPTIONS: tuple[tuple[str, int], ...] = (("grpc.max_receive_message_length", MAX_REQUEST_BYTES),)

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def services(ports: XdsPorts, messages: XdsMessages) -> tuple[grpc.GenericRpcHandler, ...]:
    """The handlers to add to a `grpc.aio` server made with `SERVER_OPTIONS`."""
    return (
        grpc.method_handlers_generic_handler(
            "envoy.service.discovery.v3.AggregatedDiscoveryService",
            {
                "StreamAggregatedResources": _streaming(ports, messages, Dialect.STATE, None),
                "DeltaAggregatedResources": _streaming(ports, messages, Dialect.DELTA, None),
            },
        ),
        grpc.method_handlers_generic_handler(
            "envoy.service.secret.v3.SecretDiscoveryService",
            {
                "StreamSecrets": _streaming(ports, messages, Dialect.STATE, Kind.SECRET),
                "DeltaSecrets": _streaming(ports, messages, Dialect.DELTA, Kind.SECRET),
                "FetchSecrets": _fetching(ports, messages),
            },
        ),
    )


def _streaming(ports: XdsPorts, messages: XdsMessages, dialect: Dialect, only: Kind | None) -> _Handler:
    @answering
    async def serve(requests: AsyncIterator[Message], context: _Context) -> None:
        await Stream(ports, messages, dialect, only, context).run(requests)

    return grpc.stream_stream_rpc_method_handler(
        serve,
        request_deserializer=messages.request_class(dialect).FromString,
        response_serializer=_serialized,
    )


def _fetching(ports: XdsPorts, messages: XdsMessages) -> _Handler:
    @answering
    async def serve(message: Message, context: _Context) -> Message:
        return await _fetch(ports, messages, message, context.peer())

    return grpc.unary_unary_rpc_method_handler(
        serve,
        request_deserializer=messages.request_class(Dialect.STATE).FromString,
        response_serializer=_serialized,
    )


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


async def _fetch(ports: XdsPorts, messages: XdsMessages, message: Message, peer: str) -> Message:
    found = ports.offers.secrets(await ports.peers.selectors(peer))
    if found is None:
        raise _not_ready()
    conversation = Conversation(Dialect.STATE, Unknown.ENDS)
    request = messages.request(message, Dialect.STATE, Kind.SECRET)
    for effect in (*conversation.feed(Offered(found.offer)), *conversation.feed(request)):
        match effect:
            case Answer():
                return messages.response(effect, Dialect.STATE)
            case Ended():
                raise effect.fault
            case Held():
                pass
    raise _not_ready()


def _not_ready() -> Unavailable:
    return Unavailable(
        code="svid-not-ready",
        what="the identity of this process is still being issued",
        why="the agent has no certificate for it yet",
        fix="ask again in a moment",
        retry_after=timedelta(seconds=1),
    )
