"""One failed handshake as a record to keep and to show: all that either side of it, its agent and the catalogue know.

It is a failure event with more beside it, so whatever reads events (`trustplane diagnose -`) reads records too.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from trustplane.handshake.failure import Failure, Side
from trustplane.handshake.readers.event import FailureShape, failure_of, fields_of
from trustplane.handshake.refusal import Refusal
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.stored import FailureKind, Stored, well_formed
from trustplane.spiffe.names import NodeName, ServiceName


class RecordShape(FailureShape, frozen=True, kw_only=True, omit_defaults=True):
    """`reason`, `depth`: the verifier's, counted from the leaf. `alert`: the one that the other side sent. `bundle` to
    `rollout`: what the agent held for its sidecar then."""

    node: str
    service: str
    signature: str
    cause: str
    rejecter: Side | None = None
    reason: str = ""
    depth: int | None = None
    alert: str = ""
    bundle: str = ""
    configuration: str = ""
    revision: int = 0
    rollout: str = ""


_decoder = msgspec.json.Decoder(RecordShape)


def record_of(one: Stored) -> RecordShape:
    held, refusal = one.reported.held, one.refusal
    return RecordShape(
        **fields_of(one.reported.failure),
        node=str(one.node),
        service=str(one.reported.service),
        signature=one.kind.signature,
        cause=one.kind.cause,
        rejecter=refusal.rejecter,
        reason=refusal.reason,
        depth=refusal.depth,
        alert=refusal.alert,
        bundle=held.bundle,
        configuration=held.configuration,
        revision=held.revision,
        rollout=held.rollout,
    )


def stored_of(shape: RecordShape) -> Stored:
    """With the recognition of when it was stored, whatever the catalogue says by now."""
    failure = failure_of(shape, None)
    held = Held(shape.bundle, shape.configuration, shape.revision, shape.rollout)
    reported = Reported(ServiceName.parse(shape.service), failure, held)
    node = NodeName(shape.node)
    refusal = Refusal(shape.rejecter, shape.reason, shape.depth, shape.alert)
    kind = FailureKind(
        service=reported.service,
        node=node,
        side=reported.side,
        signature=shape.signature,
        cause=shape.cause,
        rejecter=shape.rejecter,
        peer=well_formed(failure.theirs.spiffe_id),
        issuer=failure.theirs.issuer_key,
        own_issuer=failure.ours.issuer_key,
        build=shape.build,
        tls=shape.tls.value if shape.tls else "",
        bundle=shape.bundle,
        revision=shape.revision,
    )
    return Stored(node, reported, kind, refusal)


def failure_in(shape: RecordShape) -> Failure:
    """To diagnose: with whose proxy wrote it."""
    writer = f"{shape.service} on {shape.node}"
    return replace(failure_of(shape, None), writer=writer, node=shape.node, bundle=shape.bundle)


def encoded(one: Stored) -> bytes:
    return msgspec.json.encode(record_of(one))


def decoded(content: bytes) -> Stored:
    return stored_of(_decoder.decode(content))


def standing_for(one: Stored, times: int) -> Stored:
    """The same record, taken for so many."""
    failure = replace(one.reported.failure, times=times)
    return replace(one, reported=replace(one.reported, failure=failure))
