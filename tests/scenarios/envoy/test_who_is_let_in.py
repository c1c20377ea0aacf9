"""Who a real Envoy, configured by us, lets in, and to what."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from tests.kit.ca import TestCa
from tests.kit.envoy_bench import EnvoyBench, RefusedConnection
from trustplane.main.envoy_bench import LOOPBACK
from trustplane.registry.model import Operation, Probe
from trustplane.registry.view import Endpoint

CHARGE = Operation("charge", "POST", "/charge")
PUBLIC = Operation("read", "GET", "/public/*")
GET_CHARGE = b"GET /charge HTTP/1.1\r\nhost: pay\r\n\r\n"
POST_CHARGE = b"POST /charge HTTP/1.1\r\nhost: pay\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[EnvoyBench]:
    """web may call pay's two operations; reports is in the mesh and may call nothing."""
    async with EnvoyBench(folder) as bench:
        pay = bench.add("pay", allows={"web": (CHARGE, PUBLIC)}, probes=(Probe("GET", "/healthz"),))
        pay.sidecar = replace(pay.sidecar, operations=(CHARGE, PUBLIC))
        bench.add("web", calls=["pay"])
        bench.add("reports", calls=["pay"])
        await bench.start()
        yield bench


def run(folder: Path, scenario: Callable[[EnvoyBench], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with shop(folder) as bench:
            await scenario(bench)

    asyncio.run(whole())


def test_a_declared_call_arrives_over_mtls_with_both_identities_in_both_logs(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        answer = await bench.call("web", "pay", "POST", "/charge")
        assert answer.status_code == 200
        assert f"URI={bench.id_of('web')}" in answer.json()["headers"]["x-forwarded-client-cert"]
        inbound = await bench.logged("pay", lambda line: line["log"] == "inbound")
        outbound = await bench.logged("web", lambda line: line["log"] == "outbound")
        assert (inbound["peer_id"], inbound["local_id"]) == (str(bench.id_of("web")), str(bench.id_of("pay")))
        assert (outbound["peer_id"], outbound["local_id"]) == (str(bench.id_of("pay")), str(bench.id_of("web")))
        assert inbound["tls_version"] == outbound["tls_version"] == "TLSv1.3"
        assert inbound["peer"] == outbound["upstream_local"]
        assert (inbound["operation"], bool(inbound["rule"])) == ("charge", True)
        serial = bench.members["web"].svid.svid.serial
        assert int(str(inbound["peer_serial"]), 16) == serial

    run(socket_dir, scenario)


def test_everyone_and_everything_undeclared_gets_403(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        asked = [("reports", "POST", "/charge"), ("web", "GET", "/charge"), ("web", "POST", "/"), ("web", "GET", "/x")]
        for caller, method, path in asked:
            assert (await bench.call(caller, "pay", method, path)).status_code == 403, (caller, method, path)
        assert bench.members["pay"].served == []
        denied = await bench.logged("pay", lambda line: line["peer_id"] == str(bench.id_of("reports")))
        assert "rbac_access_denied" in str(denied["details"])
        assert (denied["operation"], denied["rule"]) == ("charge", None)
        other = await bench.logged("pay", lambda line: line["path"] == "/x")
        assert not other["operation"]
        assert (await bench.call("web", "pay", "GET", "/public/7?x=/charge")).status_code == 200
        below = await bench.logged("pay", lambda line: line["path"] == "/public/7")
        assert below["operation"] == "read"

    run(socket_dir, scenario)


def test_a_probe_is_open_to_every_identity_of_the_mesh_and_to_nobody_else(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        assert (await bench.call("reports", "pay", "GET", "/healthz")).status_code == 200
        assert (await bench.call("reports", "pay", "POST", "/healthz")).status_code == 403
        with pytest.raises(RefusedConnection):
            await bench.dial("pay", b"GET /healthz HTTP/1.1\r\nhost: pay\r\n\r\n", bench.client_tls(None))

    run(socket_dir, scenario)


def test_no_certificate_a_foreign_one_a_forged_one_and_plaintext_are_refused(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        foreign = TestCa.root("other.example")
        forged = TestCa.root(bench.root.trust_domain)
        web = str(bench.id_of("web"))
        strangers = {
            "no certificate": bench.client_tls(None),
            "another domain's": bench.client_tls(bench.keyed("spiffe://other.example/web", foreign)),
            "our name by another domain's authority": bench.client_tls(bench.keyed(web, foreign)),
            "our name by an authority of our domain's name": bench.client_tls(bench.keyed(web, forged)),
        }
        for who, tls in strangers.items():
            with pytest.raises(RefusedConnection):
                await bench.dial("pay", POST_CHARGE, tls)
            assert bench.members["pay"].served == [], who
        with pytest.raises(RefusedConnection):
            await bench.dial("pay", POST_CHARGE, None)
        failed = await bench.logged("pay", lambda line: line["log"] == "handshake")
        assert failed["tls_failure"]

    run(socket_dir, scenario)


def test_a_callee_with_another_services_identity_is_refused_by_its_caller(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        web, reports = bench.members["web"], bench.members["reports"]
        elsewhere = (Endpoint(LOOPBACK, reports.sidecar.ports.mesh),)
        bench.publish(web, callees=(replace(web.sidecar.callees[0], endpoints=elsewhere),))
        await bench.settled(web)
        answer = await bench.call("web", "pay", "POST", "/charge")
        assert answer.status_code == 503
        line = await bench.logged("web", lambda line: line["status"] == 503)
        assert "CERTIFICATE_VERIFY_FAILED" in str(line["tls_failure"])
        assert reports.served == []

    run(socket_dir, scenario)


def test_tls_1_2_is_refused(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        assert (await bench.dial("pay", POST_CHARGE, tls)).status == 200
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(RefusedConnection):
            await bench.dial("pay", POST_CHARGE, tls)

    run(socket_dir, scenario)


def test_a_client_that_knows_only_p256_is_served(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        tls.set_ecdh_curve("prime256v1")
        assert (await bench.dial("pay", POST_CHARGE, tls)).status == 200

    run(socket_dir, scenario)


def test_no_session_is_resumed(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        port = bench.members["pay"].sidecar.ports.mesh
        session = None
        for _ in range(3):
            answered, reused, session = await asyncio.to_thread(ask_with_session, tls, port, session)
            assert answered.startswith(b"HTTP/1.1 200")
            assert not reused
        assert session is None or not session.has_ticket

    run(socket_dir, scenario)


def ask_with_session(
    tls: ssl.SSLContext, port: int, session: ssl.SSLSession | None
) -> tuple[bytes, bool | None, ssl.SSLSession | None]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname="pay", session=session) as client,
    ):
        client.sendall(POST_CHARGE)
        return client.recv(4096), client.session_reused, client.session


PATHS_THAT_LIE = (
    "/public/../charge",
    "/public/..;/charge",
    "/public/..%3b/charge",
    "/public/%2e%2e/charge",
    "/public/%2E%2E/charge",
    "/public/..%2fcharge",
    "/public/..%2Fcharge",
    "/public/..%5ccharge",
    "/public/..\\charge",
    "/public/%252e%252e/charge",
    "/public/a%00/../../charge",
    "/PUBLIC/a",
    "//charge",
    "/%63harge",
    "/charge;x=1",
    "/charge/",
    "/public",
)


def test_no_spelling_of_a_path_reaches_more_than_was_declared(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        statuses = {
            path: (await bench.dial("pay", f"GET {path} HTTP/1.1\r\nhost: pay\r\n\r\n".encode(), tls)).status
            for path in PATHS_THAT_LIE
        }
        assert {path: status for path, status in statuses.items() if status not in {400, 403}} == {}
        assert bench.members["pay"].served == []

    run(socket_dir, scenario)


def test_a_path_is_normalised_before_it_is_judged_and_forwarded(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        asked = (b"POST //x/..//charge HTTP/1.1", b"GET /public/a%20b?c=..;d HTTP/1.1")
        for line in asked:
            reply = await bench.dial("pay", line + b"\r\nhost: pay\r\ncontent-length: 0\r\n\r\n", tls)
            assert reply.status == 200, line
        assert [one["path"] for one in bench.members["pay"].served] == ["/charge", "/public/a%20b?c=..;d"]

    run(socket_dir, scenario)


def test_headers_that_would_change_the_verdict_afterwards_do_not_arrive(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        sent = {
            "x-forwarded-client-cert": "URI=spiffe://acme.example/ns/shop/sa/admin",
            "x-http-method-override": "DELETE",
            "x-original-url": "/admin",
            "x-rewrite-url": "/admin",
            "x-envoy-upstream-rq-timeout-ms": "999999",
            "x-envoy-max-retries": "9",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        reply = await bench.dial("pay", f"GET /public/a HTTP/1.1\r\nhost: pay\r\n{lines}\r\n".encode(), tls)
        assert reply.status == 200
        arrived = bench.members["pay"].served[0]["headers"]
        assert isinstance(arrived, dict)
        assert f"URI={bench.id_of('web')}" in arrived.pop("x-forwarded-client-cert")
        assert not set(arrived) & set(sent)

    run(socket_dir, scenario)


def test_what_a_peer_says_cannot_forge_a_line_of_the_log(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        forged = '"}\t{"log":"inbound","peer_id":"spiffe://acme.example/admin'
        request = f"GET /public/a HTTP/1.1\r\nhost: pay\r\nx-request-id: {forged}\r\n\r\n"
        assert (await bench.dial("pay", request.encode(), tls)).status == 200
        line = await bench.logged("pay", lambda line: line["log"] == "inbound")
        assert (line["request_id"], line["peer_id"]) == (forged, str(bench.id_of("web")))

    run(socket_dir, scenario)


def test_a_header_with_an_underscore_is_refused(socket_dir: Path) -> None:
    async def scenario(bench: EnvoyBench) -> None:
        tls = bench.client_tls(bench.members["web"].svid)
        request = b"GET /public/a HTTP/1.1\r\nhost: pay\r\nx_user: root\r\n\r\n"
        assert (await bench.dial("pay", request, tls)).status == 400

    run(socket_dir, scenario)


def test_grpc_reaches_a_grpc_service_and_is_ruled_by_the_same_rules(socket_dir: Path) -> None:
    async def serve(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return b"hello " + request

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(serve)

    async def scenario() -> None:
        async with EnvoyBench(socket_dir) as bench:
            pay = bench.add("pay", allows={"web": (Operation("greet", "POST", "/shop.Greeter/Greet"),)})
            pay.serves_http = False
            bench.add("web", calls=["pay"])
            await bench.start()
            server = grpc.aio.server()
            both = {"Greet": handler, "Admin": handler}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Greeter", both),))
            server.add_insecure_port(f"{LOOPBACK}:{pay.sidecar.ports.app}")
            await server.start()
            try:
                target = bench.url("web", "pay", "").removeprefix("http://")
                async with grpc.aio.insecure_channel(target) as channel:
                    greet: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Greeter/Greet")
                    admin: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Greeter/Admin")
                    assert await greet(b"web") == b"hello web"
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await admin(b"web")
                    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            finally:
                await server.stop(0)

    asyncio.run(scenario())
