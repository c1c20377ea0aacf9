"""The gRPC servers of the two agent doors: TLS 1.3 only, certificates that change without a restart.

That TLS 1.2 is not spoken is settled in `wire/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from trustplane.fault import Refused
from trustplane.wire.grpc_status import RefuseMalformed

MAX_REQUEST_BYTES = 4 * 1024 * 1024
CONNECTION_AGE_MS = 30 * 60 * 1000  # so that agents spread over replicas again after one was away
CONNECTION_GRACE_MS = 30 * 1000
# A node that stopped answering is away within twenty seconds; without this, within two hours.
KEEPALIVE_MS = 10 * 1000


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """What a TLS server presents and whom it believes, as PEM."""

    chain: bytes
    key: bytes = field(repr=False)
    roots: bytes


def open_door(
    address: str, identity: Callable[[], TlsIdentity], *, clients_have_certificates: bool
) -> tuple[grpc.aio.Server, int]:
    """A server, not started, and the port it is bound to."""
    server = grpc.aio.server(
        interceptors=(RefuseMalformed(),),
        options=[
            ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
            # Above this many waiting calls gRPC answers CANCELLED at random; its default, 1,000, is below a fleet.
            ("grpc.server.max_pending_requests", 20_000),
            ("grpc.server.max_pending_requests_hard_limit", 40_000),
            ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
            ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_MS),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
            ("grpc.http2.ping_timeout_ms", KEEPALIVE_MS),  # a ping that measures the line is under way often enough
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.so_reuseport", 0),
            # TLS records as large as most updates: gRPC keeps a buffer of this size for each connection.
            ("grpc.tsi.max_frame_size", 2048),
        ],
    )
    presented = _Presented(identity)
    credentials = grpc.dynamic_ssl_server_credentials(
        presented.configuration(),
        presented.fetch,  # type: ignore[arg-type] # None says "unchanged"; the stub forgets it
        require_client_authentication=clients_have_certificates,
    )
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError:
        raise Refused(
            code="address-in-use",
            what=f"cannot listen on {address}",
            why="another process listens there, or the address does not belong to this machine",
            fix="stop the other one (`ss -ltnp` names it) or choose another address",
        ) from None
    return server, port


class _Presented:
    """Hands gRPC the newest identity at each handshake; nothing while it is the one gRPC has."""

    def __init__(self, identity: Callable[[], TlsIdentity]) -> None:
        self._identity = identity
        self._given = identity()

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        given = self._given
        return grpc.ssl_server_certificate_configuration([(given.key, given.chain)], root_certificates=given.roots)

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        newest = self._identity()
        if newest == self._given:
            return None
        self._given = newest
        return self.configuration()
