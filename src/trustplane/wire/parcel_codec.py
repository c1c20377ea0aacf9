"""What a node's proxies decided, between messages and values. What is no decision is left out and counted as dropped:
one line that cannot be read must not cost the others."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from trustplane.fault import Refused
from trustplane.policy.access import Verdict
from trustplane.registry.parcels import Losses, ParcelId
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.verdict.decision import DecisionKind, SeenPath, Trial
from trustplane.verdict.delivery import MOST_KINDS, Parcel
from trustplane.verdict.tally import Sample, Tally, add
from trustplane.wire.gen.trustplane.node.v1 import node_pb2
from trustplane.wire.node_codec import timestamp


def encoded(parcel: Parcel) -> node_pb2.Parcel:
    return node_pb2.Parcel(
        stream=parcel.id.stream,
        number=parcel.id.number,
        since=timestamp(parcel.since),
        decided=[_decided(kind, tally) for kind, tally in parcel.tallies.items()],
        dropped=parcel.losses.dropped,
        folded=parcel.losses.folded,
    )


def decoded(node: NodeName, message: node_pb2.Parcel) -> Parcel:
    if len(message.decided) > MOST_KINDS:
        raise _not_a_parcel(f"it tells of {len(message.decided)} kinds of decision, and {MOST_KINDS} fit")
    tallies: dict[DecisionKind, Tally] = {}
    dropped = message.dropped
    for one in message.decided:
        try:
            add(tallies, _kind_of(one), _tally_of(one))
        except Refused:
            dropped += one.count
    parcel_id = ParcelId(node, message.stream, message.number)
    return Parcel(parcel_id, instant(message.since), tallies, Losses(dropped, message.folded))


def read(node: NodeName, content: bytes) -> Parcel:
    """From the node's own disk."""
    try:
        return decoded(node, node_pb2.Parcel.FromString(content))
    except DecodeError:
        raise _not_a_parcel("it cannot be parsed") from None


def told_in(content: bytes) -> int:
    """Of a parcel that is given up."""
    try:
        message = node_pb2.Parcel.FromString(content)
    except DecodeError:
        return 1
    return sum(one.count for one in message.decided) + message.dropped or 1


def _decided(kind: DecisionKind, tally: Tally) -> node_pb2.Decided:
    message = node_pb2.Decided(
        callee=str(kind.callee),
        caller=str(kind.caller) if kind.caller else "",
        method=kind.method,
        path=kind.path.text,
        path_folded=kind.path.folded,
        path_plain=kind.path.plain,
        port=kind.port,
        allowed=kind.enforced.allowed,
        rule=kind.enforced.rule or "",
        count=tally.count,
        first=timestamp(tally.first),
        last=timestamp(tally.last),
    )
    if kind.trial:
        verdict = kind.trial.verdict
        trial = node_pb2.Trial(candidate=kind.trial.candidate, allowed=verdict.allowed, rule=verdict.rule or "")
        message.trial.CopyFrom(trial)
    if tally.sample:
        message.sampled_at.CopyFrom(timestamp(tally.sample.at))
        message.sample = tally.sample.request_id
    return message


def _kind_of(message: node_pb2.Decided) -> DecisionKind:
    trial = None
    if message.HasField("trial"):
        judged = Verdict(allowed=message.trial.allowed, rule=message.trial.rule or None)
        trial = Trial(message.trial.candidate, judged)
    return DecisionKind(
        callee=ServiceName.parse(message.callee),
        caller=SpiffeId.parse(message.caller) if message.caller else None,
        method=message.method,
        path=SeenPath(message.path, message.path_folded, message.path_plain),
        port=message.port,
        operation=None,
        enforced=Verdict(allowed=message.allowed, rule=message.rule or None),
        trial=trial,
    )


def _tally_of(message: node_pb2.Decided) -> Tally:
    sample = Sample(instant(message.sampled_at), message.sample) if message.sample else None
    return Tally(message.count, instant(message.first), instant(message.last), sample)


def instant(message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _not_a_parcel("an instant in it is none") from None


def _not_a_parcel(why: str) -> Refused:
    return Refused(
        code="bad-parcel",
        what="what a node told of its proxies' decisions cannot be taken",
        why=why,
        fix="report this with the versions of agent and server",
    )
