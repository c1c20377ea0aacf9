"""Failed handshakes as nodes report them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.kit.policies import CHECKOUT, PAYMENTS
from trustplane.handshake.failure import Claims, Failure, Implementation, Side, Tls
from trustplane.handshake.refusal import clients_end
from trustplane.handshake.reported import Held, Reported
from trustplane.handshake.stored import Counted, FailureKind, Stored, stored
from trustplane.registry.parcels import Losses
from trustplane.spiffe.names import NodeName, ServiceName

AT: Final = datetime(2030, 1, 1, 12, 10, 0, 123456, tzinfo=UTC)
CALLER: Final = ServiceName("shop", "checkout")
PAYMENTS_ID: Final = "spiffe://shop.example/ns/shop/sa/payments"
HELD: Final = Held("b" * 64, "c" * 64, 18, "3/20300101T120000.000000Z")
_VERIFYING: Final = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_"
EXPIRED: Final = (
    f"{_VERIFYING}X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end"
)
UNKNOWN_ISSUER: Final = (
    f"{_VERIFYING}X509_verify_cert:_certificate_verification_error_at_depth_1:"
    "_unable_to_get_local_issuer_certificate:TLS_error_end"
)
PLAINTEXT: Final = "TLS_error:|268435612:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"


def refused(at: datetime = AT, port: int = 40_001, text: str = EXPIRED, **fields: Any) -> Reported:  # noqa: ANN401 - a failure's
    """As the callee's listener has it."""
    failure = Failure(
        text=text,
        implementation=Implementation.ENVOY,
        side=Side.SERVER,
        build=(1, 38, 3),
        tls=Tls.V1_3,
        at=at,
        local="10.0.0.2:20203",
        peer=f"10.0.0.1:{port}",
        theirs=Claims(str(CHECKOUT), "0a" * 16, "", at - timedelta(hours=1), "d" * 40),
        ours=Claims(PAYMENTS_ID, "0b" * 16, "", at + timedelta(hours=1), "e" * 40),
    )
    return Reported(PAYMENTS, replace(failure, **fields), HELD)


def hidden(at: datetime = AT, port: int = 40_001, service: ServiceName | None = None, **fields: Any) -> Reported:  # noqa: ANN401 - a failure's
    """As the caller's sidecar has the same, under TLS 1.3: nothing but an end."""
    failure = Failure(
        text="",
        implementation=Implementation.ENVOY,
        side=Side.CLIENT,
        build=(1, 38, 3),
        tls=Tls.V1_3,
        at=at,
        flags="UC",
        details="upstream_reset_before_response_started{connection_termination}",
        local=f"10.0.0.1:{port}",
        peer="10.0.0.2:20203",
        theirs=Claims(PAYMENTS_ID, "", "", at + timedelta(hours=1), "e" * 40),
        ours=Claims(str(CHECKOUT), "0a" * 16, "", at - timedelta(hours=1), "d" * 40),
    )
    return Reported(service or CALLER, replace(failure, **fields), HELD)


@dataclass
class MemoryFailures:
    """Records as a store keeps them; satisfies `flows.records.ask_failures.Store`."""

    records: list[Stored] = field(default_factory=list)
    counts: dict[tuple[NodeName, ServiceName, Side], int] = field(default_factory=dict)
    lost: dict[NodeName, Losses] = field(default_factory=dict)

    def told(self, node: NodeName, *reported: Reported) -> None:
        self.records += [stored(node, one) for one in reported]

    async def failure_records(self, since: datetime, until: datetime, limit: int) -> int:
        return len(self._within(since, until)[:limit])

    async def failures(self, since: datetime, until: datetime, limit: int) -> Sequence[Stored]:
        return self._within(since, until)[:limit]

    async def failure_kinds(
        self, since: datetime, until: datetime, limit: int
    ) -> Sequence[tuple[FailureKind, Counted]]:
        found: dict[FailureKind, list[Stored]] = {}
        for one in self._within(since, until):
            found.setdefault(one.kind, []).append(one)
        kinds = [(kind, _counted(some)) for kind, some in found.items()]
        return sorted(kinds, key=lambda one: -one[1].count)[:limit]

    async def failures_counted(self, since: datetime, until: datetime) -> int:
        return sum(one.reported.failure.times for one in self._within(since, until))

    async def failures_by_hour(self, since: datetime, until: datetime) -> Mapping[datetime, int]:
        hours: Counter[datetime] = Counter()
        for one in self._within(since, until):
            hours[one.reported.at.replace(minute=0, second=0, microsecond=0)] += one.reported.failure.times
        return hours

    async def failures_of(
        self, kinds: Iterable[bytes], since: datetime, until: datetime, each: int
    ) -> Mapping[bytes, Sequence[Stored]]:
        within = self._within(since, until)
        return {kind: [one for one in within if one.kind.id == kind][:each] for kind in kinds}

    async def failures_beside(
        self, of: Sequence[Stored], since: datetime, until: datetime, limit: int
    ) -> Sequence[Stored]:
        ends = {clients_end(one.reported.failure) for one in of} - {""}
        within = self._within(since, until)
        return [one for one in within if clients_end(one.reported.failure) in ends][:limit]

    async def handshakes_completed(
        self, since: datetime, until: datetime
    ) -> Mapping[tuple[NodeName, ServiceName, Side], int]:
        del since, until
        return self.counts

    async def handshake_losses(self, since: datetime) -> Mapping[NodeName, Losses]:
        del since
        return self.lost

    def _within(self, since: datetime, until: datetime) -> list[Stored]:
        found = [one for one in self.records if since <= one.reported.at < until]
        return sorted(found, key=lambda one: one.reported.at, reverse=True)


def _counted(some: Sequence[Stored]) -> Counted:
    times = [one.reported.at for one in some]
    return Counted(sum(one.reported.failure.times for one in some), min(times), max(times))
