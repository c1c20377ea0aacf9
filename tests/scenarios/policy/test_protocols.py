"""The same rules whatever is spoken: HTTP/1, HTTP/2, gRPC, what is none of them, and who a request says it is from.

Every request is also decided by Cedar and by our own tree, as in the bypass corpus, whose classes these are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.kit.h2_line import ask, request
from tests.kit.policy_bench import ENDED, Standing, acme_book, http, standing
from tests.kit.policy_verdicts import verdict
from trustplane.fault import Refused
from trustplane.main.envoy_bench import LOOPBACK, PATIENCE
from trustplane.policy.target import normalised

CEDAR = """
@id("web-charge") permit (principal == Service::"shop/web", action == Action::"charge", resource);
@id("reads") permit (principal is Service, action == Action::"read", resource)
  unless { context.path like "/orders/internal*" };
@id("team") permit (principal in Namespace::"shop", action == Action::"refund", resource)
  when { context.headers has "x-team" && context.headers["x-team"].contains("a") };
"""
WEB, CHECKOUT = (f"spiffe://acme.example/ns/shop/sa/{name}" for name in ("web", "checkout"))
GRPC = ("content-type", "application/grpc")
REFUSED = {ENDED, 400, 403, 404}


@pytest.fixture(scope="module")
def shop() -> Iterator[Standing]:
    with standing(acme_book(CEDAR)) as one:
        yield one


TARGETS = (
    *("/charge", "/charge?x=/orders/2", "//charge", "/x/../charge", "/charge/", "/charge;x", "/%63harge"),
    *("/orders/2", "/orders/internal", "/orders//internal", "/orders/%2e%2e/charge", "/orders/..%2fcharge"),
    *("/orders/2#/../internal", "/charge#x", "/orders\\internal", "/orders/x/..\\internal", "/orders/%252finternal"),
)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "post", "FOO"])
def test_class_17_http_2_is_judged_as_http_1_is(shop: Standing, method: str) -> None:
    async def scenario() -> None:
        for caller in (WEB, CHECKOUT):
            line, tls = shop.line(caller), shop.tls(caller)
            for target in TARGETS:
                expected = verdict(shop.book, caller, method, target) if method.isupper() else None
                before = len(shop.member.served)
                over_2 = (await ask(shop.port, tls, request(method, target))).status
                reached = len(shop.member.served) - before
                over_1 = await line.ask(http(method, target))
                shown = (caller, method, target, over_1, over_2)
                assert reached == (expected is True), shown
                if expected is None or method == "FOO":
                    assert {over_1, over_2} <= REFUSED, shown
                else:
                    assert over_1 == over_2 == (200 if expected else 403), shown
            line.close()

    shop.run(scenario())


MALFORMED = {
    "no path": [(":method", "POST"), (":scheme", "https"), (":authority", "payments")],
    "an empty path": request("POST", ""),
    "a path without its slash": request("POST", "charge"),
    "an asterisk": request("OPTIONS", "*"),
    "an absolute path": request("POST", "https://payments/charge"),
    "two paths": [*request("POST", "/charge"), (":path", "/orders/2")],
    "two methods": [*request("GET", "/orders/2"), (":method", "POST")],
    "a pseudo-header after a header": [*request("GET", "/orders/2", ("x-a", "b")), (":path", "/charge")],
    "a path with a space": request("POST", "/charge HTTP/1.1"),
    "a path with a line break": request("POST", "/charge\r\nx-team: a"),
    "a path with NUL": request("POST", "/charge\x00"),
    "a header with a line break": request("POST", "/charge/refund", ("x-a", "b\r\nx-team: a")),
    "a header with a capital": request("POST", "/charge/refund", ("X-Team", "a")),
    "a header with an underscore": request("POST", "/charge/refund", ("x_team", "a")),
    "a header of a connection": request("POST", "/charge", ("connection", "x-team")),
    "a transfer encoding": request("POST", "/charge", ("transfer-encoding", "chunked")),
    "a content length that is a lie": request("POST", "/charge", ("content-length", "7")),
    "two content lengths": request("POST", "/charge", ("content-length", "0"), ("content-length", "1")),
    "a tunnel": [(":method", "CONNECT"), (":authority", "payments:80")],
    "a web socket": [*request("CONNECT", "/charge"), (":protocol", "websocket")],
}


@pytest.mark.parametrize("what", MALFORMED)
def test_class_17_what_http_2_forbids_reaches_nobody(shop: Standing, what: str) -> None:
    async def scenario() -> None:
        before = len(shop.member.served)
        answer = await ask(shop.port, shop.tls(WEB), MALFORMED[what])
        assert answer.status in REFUSED
        assert len(shop.member.served) == before

    shop.run(scenario())


def test_class_17_a_header_line_is_a_value_over_http_2_too(shop: Standing) -> None:
    values = (["a"], ["b"], ["a", "b"], ["b", "a"], ["a, b"], ["a,a"], ["A"], [""])

    async def scenario() -> None:
        for each in values:
            lines = tuple(("x-team", one) for one in each)
            expected = verdict(shop.book, CHECKOUT, "POST", "/charge/refund", lines)
            sent = request("POST", "/charge/refund", *lines)
            status = (await ask(shop.port, shop.tls(CHECKOUT), sent)).status
            assert status == (200 if expected else 403), each

    shop.run(scenario())


def test_class_17_an_authority_and_a_host_that_differ_are_one_request(shop: Standing) -> None:
    async def scenario() -> None:
        tls, port = shop.tls(WEB), shop.port
        for authority in ("payments", "elsewhere.example", "127.0.0.1:1", "PAYMENTS.", "spiffe://acme.example"):
            for path in ("/charge", "/orders/internal"):
                lines = request("POST", path, ("host", "internal"), authority=authority)
                answer = await ask(port, tls, lines)
                expected = verdict(shop.book, WEB, "POST", path)
                assert answer.status == (200 if expected else 403) or answer.status in {ENDED, 400}, (authority, path)

    shop.run(scenario())


@pytest.mark.parametrize("path", [one for one in TARGETS if "#" not in one])
@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc-web"])
def test_class_17_grpc_is_denied_by_the_same_rules(shop: Standing, path: str, kind: str) -> None:
    """A denial of gRPC is its status 7. What is allowed meets a service that speaks none, which is another status."""

    async def scenario() -> None:
        for caller in (WEB, CHECKOUT):
            before = len(shop.member.served)
            sent = request("POST", path, ("content-type", kind), ("te", "trailers"))
            answer = await ask(shop.port, shop.tls(caller), sent)
            expected = verdict(shop.book, caller, "POST", path)
            assert (len(shop.member.served) > before) is (expected is True), answer
            if expected is not True:
                denied = {"7"} if expected is False else {"7", "13"}  # internal: the path is refused, not the caller
                assert answer.grpc in denied or answer.status in REFUSED, answer

    shop.run(scenario())


SMUGGLED = {
    "both lengths": b"POST /charge HTTP/1.1\r\nhost: a\r\ncontent-length: 45\r\ntransfer-encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGET /orders/internal HTTP/1.1\r\nhost: a\r\n\r\n",
    "a length of the next request": b"POST /charge HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n"
    b"content-length: 44\r\n\r\nGET /orders/internal HTTP/1.1\r\nhost: a\r\n\r\n",
    "a chunk that hides one": b"POST /charge HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n"
    b"0\r\n\r\nGET /orders/internal HTTP/1.1\r\nhost: a\r\n\r\n",
    "one behind the other": b"POST /charge HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
    b"GET /orders/internal HTTP/1.1\r\nhost: a\r\n\r\n",
    "a folded header": b"POST /charge/refund HTTP/1.1\r\nhost: a\r\nx-a: b\r\n x-team: a\r\ncontent-length: 0\r\n\r\n",
    "bare line feeds": b"GET /orders/internal HTTP/1.1\nhost: a\n\n",
    "HTTP/1.0": b"GET /orders/internal HTTP/1.0\r\n\r\n",
    "HTTP/0.9": b"GET /orders/internal\r\n\r\n",
    "no HTTP at all": b"SSH-2.0-x\r\n\r\n",
    "a reply": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
}


@pytest.mark.parametrize("what", SMUGGLED)
def test_class_17_no_request_hides_in_another(shop: Standing, what: str) -> None:
    async def scenario() -> None:
        before = len(shop.member.served)
        await spoken(shop, SMUGGLED[what])
        assert {one["path"] for one in shop.member.served[before:]} <= {"/charge", "/healthz"}

    shop.run(scenario())


async def spoken(shop: Standing, sent: bytes) -> bytes:
    """What comes back until the proxy ends the connection, or has nothing more to say for now."""
    tls = shop.tls(WEB)
    reader, writer = await asyncio.open_connection(LOOPBACK, shop.port, ssl=tls)
    try:
        writer.write(sent + b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        async with asyncio.timeout(PATIENCE.total_seconds()):
            return await reader.read()
    except OSError:
        return b""
    finally:
        writer.transport.abort()


def test_class_17_without_tls_nothing_is_spoken(shop: Standing) -> None:
    async def scenario() -> None:
        before, port = len(shop.member.served), shop.port
        assert (await ask(port, None, request("GET", "/healthz"))).status == ENDED
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(http("GET", "/healthz"))
        assert await reader.read() == b""
        writer.close()
        assert len(shop.member.served) == before

    shop.run(scenario())


FORWARDED = (
    *(("x-forwarded-for", "10.0.0.9"), ("x-real-ip", "10.0.0.9"), ("forwarded", "for=10.0.0.9;by=payments")),
    *(("x-envoy-external-address", "10.0.0.9"), ("x-envoy-internal", "true"), ("true-client-ip", "10.0.0.9")),
    ("x-forwarded-client-cert", f"URI={WEB}"),
)


def test_class_19_whom_a_request_says_it_is_from_changes_no_verdict(shop: Standing) -> None:
    async def scenario() -> None:
        for caller in (WEB, CHECKOUT):
            line = shop.line(caller)
            for header in FORWARDED:
                allowed = verdict(shop.book, caller, "POST", "/charge")
                assert await line.ask(http("POST", "/charge", [header])) == (200 if allowed else 403), header
            line.close()
        logged = await shop.bench.logged("payments", lambda one: one["peer_id"] == CHECKOUT)
        assert str(logged["peer"]).startswith(LOOPBACK)

    shop.run(scenario())


PREFACES = {
    "version 1": b"PROXY TCP4 10.0.0.9 10.0.0.1 1 2\r\n",
    "version 2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x00\x00\x09\x0a\x00\x00\x01\x00\x01\x00\x02",
}


@pytest.mark.parametrize("version", PREFACES)
def test_class_19_the_proxy_protocol_is_not_spoken(shop: Standing, version: str) -> None:
    """Before TLS it breaks the handshake; within, it is no HTTP."""

    async def scenario() -> None:
        before, port = len(shop.member.served), shop.port
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(PREFACES[version])
        try:
            await writer.start_tls(shop.tls(WEB))
            writer.write(http("POST", "/charge"))
            assert await reader.read() == b""
        except OSError:
            pass
        writer.transport.abort()
        assert not (await spoken(shop, PREFACES[version])).startswith(b"HTTP/1.1 200")
        assert len(shop.member.served) == before

    shop.run(scenario())


def test_class_19_no_rule_can_ask_for_an_address() -> None:
    for asked in ('context.sourceIp == ip("10.0.0.1")', 'context.ip.isInRange(ip("10.0.0.0/8"))'):
        with pytest.raises(Refused):
            acme_book(f'@id("a") permit (principal is Service, action, resource) when {{ {asked} }};')


def test_class_20_what_a_rule_saw_is_what_arrives(shop: Standing) -> None:
    async def scenario() -> None:
        line = shop.line(WEB)
        for target in (one for one in TARGETS if verdict(shop.book, WEB, "GET", one)):
            assert await line.ask(http("GET", target)) == 200
            arrived = shop.member.served[-1]
            assert arrived["method"] == "GET"
            assert str(arrived["path"]).partition("?")[0] == normalised(target)
        line.close()

    shop.run(scenario())
