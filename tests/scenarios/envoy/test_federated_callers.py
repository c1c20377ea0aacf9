"""Callers of another trust domain at a real Envoy: verified by their own authorities, let in by name, cut off."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.kit.ca import TestCa
from tests.kit.envoy_bench import EnvoyBench, RefusedConnection
from trustplane.main.envoy_bench import LOOPBACK, free_port
from trustplane.registry.model import Operation
from trustplane.registry.view import Callee, Endpoint, ForeignGrant, Withdrawn
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.patterns import IdPattern
from trustplane.xds.guards import published
from trustplane.xds.snapshot import snapshot
from trustplane.xds.surroundings import Surroundings

PARTNER = TrustDomain("partner.example")
BILLING = SpiffeId(PARTNER, ("ns", "billing", "sa", "api"))
STRANGER = SpiffeId(PARTNER, ("ns", "billing-evil", "sa", "api"))
CHARGE = Operation("charge", "POST", "/charge")
GRANT = ForeignGrant(IdPattern(PARTNER, ("ns", "billing"), below=True), (CHARGE,))
POST_CHARGE = b"POST /charge HTTP/1.1\r\nhost: pay\r\ncontent-length: 0\r\n\r\n"
GET_CHARGE = b"GET /charge HTTP/1.1\r\nhost: pay\r\n\r\n"


class Two:
    """Our domain's bench, on which `pay` takes calls of a partner, and that partner's authority."""

    def __init__(self, bench: EnvoyBench) -> None:
        self.bench = bench
        self.root = TestCa.root(PARTNER)
        self.issuing = self.root.intermediate()
        bench.bundles = BundleSet.of(*bench.bundles.values(), Bundle(PARTNER, (self.root.certificate,)))

    def shows(self, spiffe_id: SpiffeId | str, ca: TestCa | None = None, *also: str) -> ssl.SSLContext:
        """A client with such a certificate, also one that is no SVID."""
        chain, key = (ca or self.issuing).leaf_chain(spiffe_id, uris=(str(spiffe_id), *also))
        pem = self.bench.folder / f"{id(key)}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain) + secret)
        context = self.bench.client_tls(None)
        context.load_cert_chain(pem)
        return context

    async def status(self, tls: ssl.SSLContext, request: bytes = POST_CHARGE) -> int:
        return (await self.bench.dial("pay", request, tls)).status

    async def refused(self, tls: ssl.SSLContext) -> None:
        served = len(self.bench.members["pay"].served)
        with pytest.raises(RefusedConnection):
            await self.bench.dial("pay", POST_CHARGE, tls)
        assert len(self.bench.members["pay"].served) == served


def run(folder: Path, scenario: Callable[[Two], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with EnvoyBench(folder) as bench:
            two = Two(bench)
            pay = bench.add("pay", allows={"web": (CHARGE,)})
            bench.add("web", calls=["pay"])
            bench.publish(pay, foreign_callers=(GRANT,))
            await bench.start()
            await scenario(two)

    asyncio.run(whole())


def test_who_of_a_partner_gets_in_and_to_what(socket_dir: Path) -> None:
    async def scenario(two: Two) -> None:
        bench = two.bench
        assert await two.status(two.shows(BILLING)) == 200
        (asked,) = bench.members["pay"].served
        assert f"URI={BILLING}" in str(asked["headers"])
        assert await two.status(two.shows(BILLING), GET_CHARGE) == 403
        assert await two.status(two.shows(STRANGER)) == 403
        assert (await bench.call("web", "pay", "POST", "/charge")).status_code == 200
        denied = await bench.logged("pay", lambda line: line["peer_id"] == str(STRANGER))
        assert "rbac_access_denied" in str(denied["details"])

    run(socket_dir, scenario)


def test_no_authority_vouches_for_a_name_of_the_other_domain(socket_dir: Path) -> None:
    async def scenario(two: Two) -> None:
        ours, bench = str(two.bench.id_of("web")), two.bench
        await two.refused(two.shows(ours))
        await two.refused(two.shows(BILLING, bench.issuing))
        await two.refused(two.shows(BILLING, TestCa.root(PARTNER)))
        await two.refused(two.shows("spiffe://third.example/ns/billing/sa/api", TestCa.root("third.example")))
        assert bench.members["pay"].served == []

    run(socket_dir, scenario)


def test_a_certificate_with_an_id_of_each_domain_is_nobodys(socket_dir: Path) -> None:
    """Envoy takes it for the partner's by the first name, and its rules would match the second."""

    async def scenario(two: Two) -> None:
        ours = str(two.bench.id_of("web"))
        assert await two.status(two.shows(STRANGER, None, ours)) == 403
        assert await two.status(two.shows(BILLING, None, ours)) == 403
        await two.refused(two.shows(ours, None, str(BILLING)))
        assert two.bench.members["pay"].served == []

    run(socket_dir, scenario)


def test_ending_a_relation_reaches_open_connections_and_new_ones(socket_dir: Path) -> None:
    async def scenario(two: Two) -> None:
        bench, pay = two.bench, two.bench.members["pay"]
        async with httpx.AsyncClient(verify=two.shows(BILLING), timeout=20) as client:
            url = f"https://{LOOPBACK}:{pay.sidecar.ports.mesh}/charge"
            assert (await client.post(url)).status_code == 200
            bench.publish(pay, foreign_callers=())
            await bench.settled(pay)
            assert (await client.post(url)).status_code == 403
        await two.refused(two.shows(BILLING))
        assert (await bench.call("web", "pay", "POST", "/charge")).status_code == 200
        # It is let go of when the last connection that began with it has drained.
        await bench.uptake.until(lambda: not bench.uptake.held[pay.node, "secret/peers"].held)

    run(socket_dir, scenario)


def test_a_denied_foreign_id_is_refused_on_open_connections(socket_dir: Path) -> None:
    async def scenario(two: Two) -> None:
        bench, pay = two.bench, two.bench.members["pay"]
        async with httpx.AsyncClient(verify=two.shows(BILLING), timeout=20) as client:
            url = f"https://{LOOPBACK}:{pay.sidecar.ports.mesh}/charge"
            assert (await client.post(url)).status_code == 200
            here = Surroundings(LOOPBACK, LOOPBACK, str(pay.log))
            offer = snapshot(pay.sidecar, pay.svid, bench.bundles, here, Withdrawn(ids=(BILLING,)))
            bench.desired.publish(pay.node, published(offer, bench.at))
            await bench.settled(pay)
            assert (await client.post(url)).status_code == 403

    run(socket_dir, scenario)


def test_a_call_into_the_other_domain_meets_exactly_the_service_that_is_meant(socket_dir: Path) -> None:
    async def scenario(two: Two) -> None:
        bench, web = two.bench, two.bench.members["web"]
        listening = free_port()

        async def serve(identity: SpiffeId | str, ca: TestCa | None = None) -> asyncio.Server:
            chain, key = (ca or two.issuing).leaf_chain(identity)
            pem = bench.folder / f"{id(key)}.pem"
            secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pem.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain) + secret)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            context.set_alpn_protocols(["h2"])

            async def taken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.close()

            return await asyncio.start_server(taken, LOOPBACK, 0, ssl=context)

        for identity, ca, meets in (
            (BILLING, None, True),
            (STRANGER, None, False),
            (BILLING, bench.issuing, False),
        ):
            server = await serve(identity, ca)
            endpoint = Endpoint(LOOPBACK, server.sockets[0].getsockname()[1])
            callee = Callee(None, BILLING, listening, (endpoint,), web.sidecar.longest_request)
            bench.publish(web, callees=(web.sidecar.callees[0], callee))
            await bench.settled(web)
            path = f"/{endpoint.port}"
            async with httpx.AsyncClient(timeout=20) as client:
                assert (await client.post(f"http://{LOOPBACK}:{listening}{path}")).status_code == 503
            # A TLS 1.3 server is done with its handshake before the client refuses it, so it is the log that tells.
            line = await bench.logged("web", partial(_asked_for, path))
            assert ("CERTIFICATE_VERIFY_FAILED" in str(line["tls_failure"])) is not meets, line
            server.close()
            await server.wait_closed()

    run(socket_dir, scenario)


def _asked_for(path: str, line: dict[str, object]) -> bool:
    return line["path"] == path
