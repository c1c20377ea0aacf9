"""Between the node protocol's messages and our values; nothing else.

Decoding refuses what is not valid, also what protobuf lets through and Python does not: whatever bytes a peer sends,
what comes out is a value or a `Refused`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from trustplane.fault import Broken, Fault, Refused, Unavailable
from trustplane.flows.clock_skew import Skew
from trustplane.flows.desired.push_views import Push
from trustplane.flows.node.node_link import (
    HoldingsReport,
    HostingReport,
    LeafIssued,
    LeafOrder,
    Report,
    ViewHeld,
    ViewUpdate,
)
from trustplane.registry.model import KeyKind, Ports
from trustplane.registry.records import Holding
from trustplane.registry.view import (
    Callee,
    DeniedCertificate,
    Endpoint,
    Entry,
    LeavingIssuer,
    NodeView,
    Sidecar,
    TrustedBundle,
    TrustedCrl,
    Withdrawn,
)
from trustplane.registry.view_change import ViewChange
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.spiffe.selectors import Selector
from trustplane.spiffe.x509_svid import X509Svid
from trustplane.wire import callers_codec, candidate_codec, connections_codec
from trustplane.wire.gen.trustplane.node.v1 import node_pb2

MAX_TEXT = 2048
LONGEST_WAIT = timedelta(minutes=10)  # that a server can ask for


def timestamp(at: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(at)
    return message


def instant(message: Timestamp) -> datetime:
    return message.ToDatetime(tzinfo=UTC)


def duration(length: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(length)
    return message


def clock_skew(skew: Skew | None) -> node_pb2.ClockSkew | None:
    return None if skew is None else node_pb2.ClockSkew(offset=duration(skew.offset), error=duration(skew.error))


def clock_skew_of(hello: node_pb2.Hello, at: datetime) -> Skew | None:
    if not hello.HasField("clock"):
        return None
    with _refusing_malformed():
        return Skew(hello.clock.offset.ToTimedelta(), hello.clock.error.ToTimedelta(), at)


@contextmanager
def _refusing_malformed() -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError, Broken) as error:
        raise Refused(
            code="malformed-message",
            what="a message of the node channel does not hold valid values",
            why=str(error).partition("\n")[0][:300],
            fix="run versions of server and agent that speak to each other; if they are, report this",
        ) from None


def identity_parts(message: node_pb2.NodeIdentity) -> tuple[X509Svid, datetime, bytes]:
    with _refusing_malformed():
        return X509Svid.from_der(tuple(message.chain)), instant(message.renew_at), message.bundle


def challenge(reply: object) -> bytes:
    if isinstance(reply, node_pb2.CertificateEnrolmentReply) and reply.WhichOneof("step") == "challenge":
        return reply.challenge
    raise _out_of_turn("a challenge")


def enrolled(reply: object) -> node_pb2.NodeIdentity:
    if isinstance(reply, node_pb2.CertificateEnrolmentReply) and reply.WhichOneof("step") == "identity":
        return reply.identity
    raise _out_of_turn("an identity")


def order(wanted: LeafOrder) -> node_pb2.X509Order:
    held = wanted.held_until
    return node_pb2.X509Order(
        spiffe_id=str(wanted.spiffe_id), csr=wanted.csr, held_until=None if held is None else timestamp(held)
    )


def held_until(message: node_pb2.X509Order) -> datetime | None:
    if not message.HasField("held_until"):
        return None
    with _refusing_malformed():
        return instant(message.held_until)


def leaf_outcomes(answer: node_pb2.X509Results, asked: int) -> Sequence[LeafIssued | Fault]:
    """One outcome for each of the orders asked for."""
    if len(answer.results) != asked:
        raise Refused(
            code="server-out-of-turn",
            what=f"the server answered {asked} orders with {len(answer.results)} results",
            why="each order has one answer, in its place",
            fix="run versions of server and agent that speak to each other; if they are, report this",
        )
    return [_leaf_outcome(result) for result in answer.results]


def _leaf_outcome(result: node_pb2.X509Result) -> LeafIssued | Fault:
    try:
        with _refusing_malformed():
            if result.WhichOneof("outcome") == "refusal":
                return _fault(result.refusal)
            return LeafIssued(X509Svid.from_der(tuple(result.issued.chain)), instant(result.issued.renew_at))
    except Refused as fault:
        return fault


def _fault(message: node_pb2.Refusal) -> Fault:
    code, what, why, fix = (text[:MAX_TEXT] for text in (message.code, message.what, message.why, message.fix))
    if message.HasField("retry_after"):
        wait = min(max(message.retry_after.ToTimedelta(), timedelta(0)), LONGEST_WAIT)
        return Unavailable(code=code, what=what, why=why, fix=fix, retry_after=wait)
    return Refused(code=code, what=what, why=why, fix=fix)


def holding(node: NodeName, message: node_pb2.Holding) -> Holding:
    with _refusing_malformed():
        return Holding(
            node,
            message.participant[:MAX_TEXT],
            message.thing[:MAX_TEXT],
            message.desired[:64],
            message.held[:64],
            message.refusal[:MAX_TEXT],
            instant(message.since),
        )


def report(said: Report) -> node_pb2.Report:
    match said:
        case ViewHeld(number, view_digest):
            held = node_pb2.Acknowledgement(number=number, view_digest=view_digest)
            return node_pb2.Report(acknowledgement=held)
        case HoldingsReport(holdings, gone, complete):
            told = node_pb2.Holdings(holdings=[_holding(one) for one in holdings], gone=gone, complete=complete)
            return node_pb2.Report(holdings=told)
        case HostingReport(services):
            return node_pb2.Report(hosting=node_pb2.Hosting(services=sorted(map(str, services))))


def _holding(one: Holding) -> node_pb2.Holding:
    return node_pb2.Holding(
        participant=one.participant,
        thing=one.thing,
        desired=one.desired,
        held=one.held,
        refusal=one.refusal,
        since=timestamp(one.since),
    )


def update(push: Push) -> node_pb2.Update:
    message = node_pb2.Update(
        number=push.number, full=push.change is None, revision=push.view.revision, view_digest=push.view_digest
    )
    if push.change is None:
        message.entries.extend(map(_entry, push.view.entries))
        message.sidecars.extend(map(_sidecar, push.view.sidecars))
        message.bundles.extend(map(_bundle, push.view.bundles))
        message.withdrawn.CopyFrom(_withdrawn(push.view.withdrawn))
        message.candidate.CopyFrom(candidate_codec.encoded(push.view.candidate))
        message.offered.CopyFrom(callers_codec.offered(push.view.offered))
    else:
        message.entries.extend(map(_entry, push.change.entries))
        message.removed_entries.extend(map(str, push.change.removed_entries))
        message.sidecars.extend(map(_sidecar, push.change.sidecars))
        message.removed_sidecars.extend(map(str, push.change.removed_sidecars))
        message.bundles.extend(map(_bundle, push.change.bundles))
        message.removed_bundles.extend(map(str, push.change.removed_bundles))
        if push.change.withdrawn is not None:
            message.withdrawn.CopyFrom(_withdrawn(push.change.withdrawn))
        if push.change.candidate is not None:
            message.candidate.CopyFrom(candidate_codec.encoded(push.change.candidate))
        if push.change.offered is not None:
            message.offered.CopyFrom(callers_codec.offered(push.change.offered))
    return message


def view_update(message: node_pb2.Update) -> ViewUpdate:
    with _refusing_malformed():
        return _view_update(message)


def _view_update(message: node_pb2.Update) -> ViewUpdate:
    entries = tuple(map(_entry_of, message.entries))
    sidecars = tuple(map(_sidecar_of, message.sidecars))
    bundles = tuple(map(_bundle_of, message.bundles))
    if message.full:
        candidate, withdrawn = candidate_codec.decoded(message.candidate), _withdrawn_of(message.withdrawn)
        offered = callers_codec.offered_of(message.offered)
        view = NodeView(message.revision, entries, sidecars, bundles, withdrawn, candidate, offered)
        return ViewUpdate(message.number, message.view_digest, view, None)
    change = ViewChange(
        revision=message.revision,
        entries=entries,
        removed_entries=tuple(map(SpiffeId.parse, message.removed_entries)),
        sidecars=sidecars,
        removed_sidecars=tuple(map(ServiceName.parse, message.removed_sidecars)),
        bundles=bundles,
        removed_bundles=tuple(map(TrustDomain, message.removed_bundles)),
        withdrawn=_withdrawn_of(message.withdrawn) if message.HasField("withdrawn") else None,
        candidate=candidate_codec.decoded(message.candidate) if message.HasField("candidate") else None,
        offered=callers_codec.offered_of(message.offered) if message.HasField("offered") else None,
    )
    return ViewUpdate(message.number, message.view_digest, None, change)


def _entry(entry: Entry) -> node_pb2.Entry:
    return node_pb2.Entry(
        service=str(entry.service),
        spiffe_id=str(entry.spiffe_id),
        selectors=sorted(map(str, entry.selectors)),
        key=entry.key.value,
        profile=entry.profile,
        hint=entry.hint,
        federates=map(str, entry.federates),
    )


def _entry_of(message: node_pb2.Entry) -> Entry:
    return Entry(
        ServiceName.parse(message.service),
        SpiffeId.parse(message.spiffe_id),
        frozenset(map(Selector.parse, message.selectors)),
        KeyKind(message.key),
        message.profile,
        message.hint,
        tuple(map(TrustDomain, message.federates)),
    )


def _sidecar(sidecar: Sidecar) -> node_pb2.Sidecar:
    return node_pb2.Sidecar(
        service=str(sidecar.service),
        spiffe_id=str(sidecar.spiffe_id),
        app_port=sidecar.ports.app,
        mesh_port=sidecar.ports.mesh,
        callers=callers_codec.callers(sidecar.callers),
        callees=map(_callee, sidecar.callees),
        probes=callers_codec.probes(sidecar.probes),
        longest_request=duration(sidecar.longest_request),
        leaf_lifetime=duration(sidecar.leaf_lifetime),
        foreign_callers=callers_codec.foreign(sidecar.foreign_callers),
        connections=connections_codec.encoded(sidecar.connections),
        policy=sidecar.policy,
    )


def _sidecar_of(message: node_pb2.Sidecar) -> Sidecar:
    return Sidecar(
        service=ServiceName.parse(message.service),
        spiffe_id=SpiffeId.parse(message.spiffe_id),
        ports=Ports(message.app_port, message.mesh_port),
        callers=callers_codec.callers_of(message.callers),
        callees=tuple(map(_callee_of, message.callees)),
        probes=callers_codec.probes_of(message.probes),
        longest_request=message.longest_request.ToTimedelta(),
        leaf_lifetime=message.leaf_lifetime.ToTimedelta(),
        foreign_callers=callers_codec.foreign_of(message.foreign_callers),
        connections=connections_codec.decoded(message),
        policy=message.policy,
    )


def _callee(callee: Callee) -> node_pb2.Callee:
    return node_pb2.Callee(
        service=str(callee.service or ""),
        spiffe_id=str(callee.spiffe_id),
        listen=callee.listen,
        endpoints=[node_pb2.Endpoint(address=one.address, port=one.port) for one in callee.endpoints],
        longest_request=duration(callee.longest_request),
        connections=connections_codec.encoded(callee.connections),
    )


def _callee_of(message: node_pb2.Callee) -> Callee:
    return Callee(
        ServiceName.parse(message.service) if message.service else None,
        SpiffeId.parse(message.spiffe_id),
        message.listen,
        tuple(Endpoint(one.address, one.port) for one in message.endpoints),
        message.longest_request.ToTimedelta(),
        connections_codec.decoded(message),
    )


def _bundle(bundle: TrustedBundle) -> node_pb2.TrustedBundle:
    return node_pb2.TrustedBundle(trust_domain=str(bundle.trust_domain), document=bundle.document, digest=bundle.digest)


def _bundle_of(message: node_pb2.TrustedBundle) -> TrustedBundle:
    return TrustedBundle(TrustDomain(message.trust_domain), message.document, message.digest)


def _withdrawn(withdrawn: Withdrawn) -> node_pb2.Withdrawn:
    return node_pb2.Withdrawn(
        crls=[node_pb2.TrustedCrl(authority=one.authority, crl=one.crl) for one in withdrawn.crls],
        ids=map(str, withdrawn.ids),
        certificates=[
            node_pb2.DeniedCertificate(spiffe_id=str(one.spiffe_id), sha256=one.sha256)
            for one in withdrawn.certificates
        ],
        issuers=withdrawn.issuers,
        leaving=[
            node_pb2.LeavingIssuer(key_id=one.key_id, since=timestamp(one.since), within=duration(one.within))
            for one in withdrawn.leaving
        ],
        remake=withdrawn.remake,
    )


def _withdrawn_of(message: node_pb2.Withdrawn) -> Withdrawn:
    return Withdrawn(
        tuple(TrustedCrl(one.authority, one.crl) for one in message.crls),
        tuple(map(SpiffeId.parse, message.ids)),
        tuple(DeniedCertificate(SpiffeId.parse(one.spiffe_id), one.sha256) for one in message.certificates),
        tuple(message.issuers),
        tuple(LeavingIssuer(one.key_id, instant(one.since), one.within.ToTimedelta()) for one in message.leaving),
        message.remake[:MAX_TEXT],
    )


def _out_of_turn(expected: str) -> Refused:
    return Refused(
        code="server-out-of-turn",
        what=f"the server did not answer with {expected}",
        why="enrolment by certificate is offer, challenge, signature, identity, in this order",
        fix="check that the address is a trustplane server's enrolment door",
    )
