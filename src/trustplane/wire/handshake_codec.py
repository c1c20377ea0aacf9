"""What a node tells of handshakes, between messages and values. What is no failure is left out and counted as dropped:
one line that cannot be read must not cost the others."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from trustplane.fault import Refused
from trustplane.handshake.delivery import MOST_COMPLETED, MOST_FAILURES, MOST_SETUPS, HandshakeParcel
from trustplane.handshake.failure import NOBODY, Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.readers.event import build_of
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.setup import Became, Setup
from trustplane.registry.parcels import Losses, ParcelId, bad_parcel
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.wire.gen.trustplane.node.v1 import node_pb2
from trustplane.wire.node_codec import timestamp
from trustplane.wire.parcel_codec import instant

MOST_BUILD = 32
_MOST = (MOST_FAILURES, MOST_COMPLETED, MOST_SETUPS)
_TLS = {one.value: one for one in Tls}


def encoded(parcel: HandshakeParcel) -> node_pb2.HandshakeParcel:
    return node_pb2.HandshakeParcel(
        stream=parcel.id.stream,
        number=parcel.id.number,
        since=timestamp(parcel.since),
        failed=[_failed(one) for one in parcel.failures],
        completed=[
            node_pb2.CompletedHandshakes(service=str(service), client=side is Side.CLIENT, count=count)
            for (service, side), count in parcel.completed.items()
        ],
        dropped=parcel.losses.dropped,
        folded=parcel.losses.folded,
        setups=map(_setup, parcel.setups),
    )


def decoded(node: NodeName, message: node_pb2.HandshakeParcel) -> HandshakeParcel:
    told = (len(message.failed), len(message.completed), len(message.setups))
    if any(many > most for many, most in zip(told, _MOST, strict=True)):
        failed, counts, setups = told
        raise bad_parcel(f"a parcel tells of {failed} failures, {counts} counts and {setups} setups", f"{_MOST} fit")
    failures: list[Reported] = []
    dropped = message.dropped
    for one in message.failed:
        try:
            failures.append(_reported(one))
        except Refused:
            dropped += max(one.times, 1)
    return HandshakeParcel(
        ParcelId(node, message.stream, message.number),
        instant(message.since),
        tuple(failures),
        dict(_completed(message)),
        Losses(dropped, message.folded),
        tuple(_setups(message)),
    )


def read(node: NodeName, content: bytes) -> HandshakeParcel:
    """From the node's own disk."""
    try:
        return decoded(node, node_pb2.HandshakeParcel.FromString(content))
    except DecodeError:
        raise bad_parcel("what a node told of its proxies' handshakes cannot be taken", "it cannot be parsed") from None


def told_in(content: bytes) -> int:
    """Of a parcel that is given up."""
    try:
        message = node_pb2.HandshakeParcel.FromString(content)
    except DecodeError:
        return 1
    return sum(one.times for one in message.failed) + message.dropped


def _failed(one: Reported) -> node_pb2.FailedHandshake:
    failure, held = one.failure, one.held
    return node_pb2.FailedHandshake(
        service=str(one.service),
        client=one.side is Side.CLIENT,
        at=timestamp(one.at),
        text=_utf8(failure.text),
        flags=_utf8(failure.flags),
        details=_utf8(failure.details),
        tls=failure.tls.value if failure.tls else "",
        build=".".join(map(str, failure.build)),
        local=_utf8(failure.local),
        peer=_utf8(failure.peer),
        theirs=_presented(failure.theirs),
        ours=_presented(failure.ours),
        bundle=held.bundle,
        configuration=held.configuration,
        revision=held.revision,
        rollout=held.rollout,
        times=failure.times,
    )


def _presented(claims: Claims) -> node_pb2.Presented:
    return node_pb2.Presented(
        spiffe_id=_utf8(claims.spiffe_id),
        serial=_utf8(claims.serial),
        issuer_serial=_utf8(claims.issuer_serial),
        not_after=timestamp(claims.not_after) if claims.not_after else None,
        issuer_key=_utf8(claims.issuer_key),
    )


def _utf8(text: str) -> str:
    """A lone surrogate is no text that can be sent."""
    return text.encode("utf-8", "replace").decode()


def _reported(message: node_pb2.FailedHandshake) -> Reported:
    failure = Failure(
        text=message.text,
        implementation=Implementation.ENVOY,
        side=Side.CLIENT if message.client else Side.SERVER,
        build=build_of(message.build[:MOST_BUILD]),
        tls=_TLS.get(message.tls),
        at=instant(message.at),
        flags=message.flags,
        details=message.details,
        local=message.local,
        peer=message.peer,
        theirs=_claims(message.theirs),
        ours=_claims(message.ours),
        times=message.times,
    )
    held = Held(message.bundle, message.configuration, message.revision, message.rollout)
    return Reported(ServiceName.parse(message.service), failure, held)


def _claims(message: node_pb2.Presented) -> Claims:
    end = instant(message.not_after) if message.HasField("not_after") else None
    found = Claims(message.spiffe_id, message.serial, message.issuer_serial, end, message.issuer_key)
    return NOBODY if found == NOBODY else found


def _completed(message: node_pb2.HandshakeParcel) -> Iterator[tuple[tuple[ServiceName, Side], int]]:
    for one in message.completed:
        try:
            service = ServiceName.parse(one.service)
        except Refused:
            continue
        yield (service, Side.CLIENT if one.client else Side.SERVER), one.count


def _setup(one: Became) -> node_pb2.SidecarSetup:
    return node_pb2.SidecarSetup(
        service=str(one.service),
        at=timestamp(one.at),
        envoy=one.setup.envoy,
        agent=one.setup.agent,
        bundle=one.setup.bundle,
        revision=one.setup.revision,
    )


def _setups(message: node_pb2.HandshakeParcel) -> Iterator[Became]:
    for one in message.setups:
        try:
            setup = Setup(one.envoy, one.agent, one.bundle, one.revision)
            yield Became(ServiceName.parse(one.service), instant(one.at), setup)
        except Refused:
            continue
