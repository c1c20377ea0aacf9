"""The unmodified `spiffe` client from PyPI against our Workload API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from spiffe import JwtSource, TrustDomain, WorkloadApiClient, X509Source
from spiffe.workloadapi.errors import FetchX509SvidError, ValidateJwtSvidError

from tests.kit.workload import ACME, PARTNER, Endpoint, Issuing, entry, workload_endpoint
from trustplane.attest.evidence import Evidence
from trustplane.flows.node.serve_identities import HeldIdentities
from trustplane.host.peers import Peer
from trustplane.host.pidfd import PidFd
from trustplane.host.proc import ProcReader
from trustplane.registry.view import Entry

pytestmark = pytest.mark.network

WEB = "spiffe://acme.example/ns/shop/sa/web"
API = "spiffe://acme.example/ns/shop/sa/api"


def played(
    folder: Path,
    held: Sequence[Entry] | HeldIdentities,
    client: Callable[[Endpoint], None],
    issuing: Issuing | None = None,
) -> None:
    """The client blocks, so it runs in a thread beside the agent's loop."""

    async def scenario() -> None:
        async with workload_endpoint(folder, held, issuing=issuing) as endpoint:
            await asyncio.to_thread(client, endpoint)

    asyncio.run(scenario())


def test_it_fetches_the_default_x509_svid_and_all_of_them(socket_dir: Path) -> None:
    def client(endpoint: Endpoint) -> None:
        with WorkloadApiClient(endpoint.address) as api:
            assert str(api.fetch_x509_svid().spiffe_id) == WEB
            assert [str(one.spiffe_id) for one in api.fetch_x509_svids()] == [WEB, API]

    played(socket_dir, [entry("web"), entry("api")], client)


def test_it_reads_the_x509_context_with_federated_bundles(socket_dir: Path) -> None:
    issuing, partner = Issuing(), Issuing(PARTNER)

    def client(endpoint: Endpoint) -> None:
        with WorkloadApiClient(endpoint.address) as api:
            context = api.fetch_x509_context()
            assert str(context.default_svid.spiffe_id) == WEB
            for name, root in ((ACME, issuing.root), (PARTNER, partner.root)):
                bundle = context.x509_bundle_set.get_bundle_for_trust_domain(TrustDomain(str(name)))
                assert bundle is not None
                assert bundle.x509_authorities == {root.certificate}
            assert len(api.fetch_x509_bundles().bundles) == 2

    played(socket_dir, issuing.held([entry("web")], partner.bundle()), client, issuing)


def test_its_stream_sees_a_rotation(socket_dir: Path) -> None:
    def client(endpoint: Endpoint) -> None:
        serials: list[int] = []
        errors: list[Exception] = []
        moved = threading.Condition()

        def on_success(context: object) -> None:
            with moved:
                serials.append(context.default_svid.leaf.serial_number)  # type: ignore[attr-defined]  # untyped client
                moved.notify_all()

        with WorkloadApiClient(endpoint.address) as api:
            stream = api.stream_x509_contexts(on_success, errors.append)
            with moved:
                assert moved.wait_for(lambda: len(serials) == 1, timeout=30)
            renewed = endpoint.issuing.held([entry("web")])
            endpoint.loop.call_soon_threadsafe(endpoint.identities.publish, renewed)
            with moved:
                assert moved.wait_for(lambda: len(serials) == 2, timeout=30)
            stream.cancel()
            assert serials[0] != serials[1]
            assert not errors

    played(socket_dir, [entry("web")], client)


def test_its_x509_source_follows_a_rotation(socket_dir: Path) -> None:
    def client(endpoint: Endpoint) -> None:
        with X509Source(socket_path=endpoint.address, timeout_in_seconds=30) as source:
            first = source.get_x509_context().default_svid.leaf.serial_number
            updated = threading.Event()
            source.subscribe_for_updates(updated.set)
            renewed = endpoint.issuing.held([entry("web")])
            endpoint.loop.call_soon_threadsafe(endpoint.identities.publish, renewed)
            assert updated.wait(30)
            assert source.get_x509_context().default_svid.leaf.serial_number != first

    played(socket_dir, [entry("web")], client)


def test_its_jwt_source_and_client_fetch_and_validate_tokens(socket_dir: Path) -> None:
    def client(endpoint: Endpoint) -> None:
        with JwtSource(socket_path=endpoint.address, timeout_in_seconds=30) as source:
            assert str(source.fetch_svid(audience={"ledger"}).spiffe_id) == WEB
        with WorkloadApiClient(endpoint.address) as api:
            svid = api.fetch_jwt_svid(audience={"ledger"})
            validated = api.validate_jwt_svid(svid.token, "ledger")
            assert str(validated.spiffe_id) == WEB
            bundle = api.fetch_jwt_bundles().get_bundle_for_trust_domain(TrustDomain(str(ACME)))
            assert bundle is not None
            assert set(bundle.jwt_authorities) == {"acme-jwt-1"}
            with pytest.raises(ValidateJwtSvidError, match="INVALID_ARGUMENT"):
                api.validate_jwt_svid(svid.token, "another")

    played(socket_dir, [entry("web")], client)


def test_it_is_told_permission_denied_when_nothing_matches(socket_dir: Path) -> None:
    def client(endpoint: Endpoint) -> None:
        with WorkloadApiClient(endpoint.address) as api, pytest.raises(FetchX509SvidError, match="PERMISSION_DENIED"):
            api.fetch_x509_svid()

    played(socket_dir, [entry("web", "unix:uid:4242424")], client)


class CountingReader(ProcReader):
    """Tells when a process is looked at, which is once for each call."""

    def __init__(self, at: int, then: Callable[[], None]) -> None:
        super().__init__()
        self.at, self.then = at, then
        self.reads = 0

    def read(self, peer: Peer, pidfd: PidFd, *, digest: bool) -> Evidence:
        self.reads += 1
        if self.reads == self.at:
            self.then()
        return super().read(peer, pidfd, digest=digest)


def test_its_source_outlives_the_agents_early_moments(socket_dir: Path) -> None:
    """UNAVAILABLE is retried, CANCELLED and INVALID_ARGUMENT are not: a source must survive an agent's start."""
    issuing, opened = Issuing(), threading.Event()
    reader = CountingReader(2, opened.set)

    def client(endpoint: Endpoint) -> None:
        with WorkloadApiClient(endpoint.address) as api, pytest.raises(FetchX509SvidError, match="UNAVAILABLE"):
            api.fetch_x509_svid()

        def publish_after_the_sources_first_attempt() -> None:
            opened.wait(30)
            held = issuing.held([entry("web")])
            endpoint.loop.call_soon_threadsafe(endpoint.identities.publish, held)

        publishing = threading.Thread(target=publish_after_the_sources_first_attempt)
        publishing.start()
        with X509Source(socket_path=endpoint.address, timeout_in_seconds=30) as source:
            assert str(source.get_x509_context().default_svid.spiffe_id) == WEB
        publishing.join()
        assert reader.reads >= 3

    async def scenario() -> None:
        nothing = HeldIdentities.nothing_yet()
        async with workload_endpoint(socket_dir, nothing, issuing=issuing, reader=reader) as endpoint:
            await asyncio.to_thread(client, endpoint)

    asyncio.run(scenario())
