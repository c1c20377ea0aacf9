"""Every known way round a path, header, method, identity or port rule, tried on a real Envoy.

Each request is also decided by Cedar and by our own tree, from what the proxy is expected to make of it; the three must
agree. What the proxy refuses before any rule is asked is denied. The classes are numbered as in the project's notes on
how meshes were bypassed; each names the defect it repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.policy_bench import ENDED, Line, acme_book, enforcing, http, tls_as
from tests.kit.policy_verdicts import verdict
from tests.kit.tmp_folder import short_folder
from tests.kit.tree import ROOT
from trustplane.policy.book import Book
from trustplane.policy.tree import Headers
from trustplane.xds.builds import OLDEST

CEDAR = """
@id("web-charge") permit (principal == Service::"shop/web", action == Action::"charge", resource);
@id("reads") permit (principal is Service, action == Action::"read", resource)
  unless { context.path like "/orders/internal*" };
@id("team") permit (principal in Namespace::"shop", action == Action::"refund", resource)
  when { context.headers has "x-team" && context.headers["x-team"].contains("a") };
@id("pattern") permit (principal == Service::"shop/web", action == Action::"any", resource)
  when { context.path like "/v1.0/*/a+b*c" || context.path like "/p/*/q" };
@id("not-one") forbid (principal == Service::"shop/checkout", action == Action::"one", resource);
"""
WEB, CHECKOUT, AUDIT = (
    f"spiffe://acme.example/ns/{name}" for name in ("shop/sa/web", "shop/sa/checkout", "back/sa/audit")
)


@dataclass(frozen=True)
class Ask:
    """`headers` as rules see them; `raw` where the bytes sent say it differently; `refused` before any rule."""

    caller: str
    method: str
    target: str
    headers: Headers = ()
    raw: bytes | None = None
    refused: bool = False

    def sent(self) -> bytes:
        return self.raw or http(self.method, self.target, self.headers)


def web(method: str, *targets: str) -> list[Ask]:
    return [Ask(WEB, method, target) for target in targets]


def refund(*lines: tuple[str, str], seen: Headers | None = None, refused: bool = False) -> Ask:
    raw = http("POST", "/charge/refund", lines)
    return Ask(CHECKOUT, "POST", "/charge/refund", lines if seen is None else seen, raw, refused=refused)


GET_ORDER = "GET /orders/2 HTTP/1.1\r\n{}\r\n"
CORPUS: dict[str, list[Ask]] = {
    "01 dot segments (CVE-2019-9901)": web(
        "POST", "/x/../charge", "/./charge", "/charge/.", "/charge/..", "/%2e%2e/charge"
    )
    + web("GET", "/orders/../charge", "/orders/%2e%2E/charge", "/orders/x/%2e%2e/internal", "/orders/./internal/a"),
    "02 repeated slashes (CVE-2021-31920)": web("POST", "//charge", "/charge//", "///x/..//charge")
    + web("GET", "/orders//internal", "//orders///internal/x", "/orders//2"),
    "03 encoded slashes (CVE-2021-29492)": web(
        "GET", "/orders%2finternal", "/orders/%2Finternal", "/orders/..%2fcharge"
    )
    + web("GET", "/orders/..%5ccharge", "/orders/..%5Ccharge", "/orders\\internal", "/orders/x\\..\\internal"),
    "04 encoded twice": web("GET", "/orders/%252e%252e/charge", "/orders/%252finternal", "/orders/%2500"),
    "05 path parameters (istio 27409)": web(
        "GET", "/orders/..;/charge", "/orders/;x/internal", "/orders/a;b", "/orders;/2"
    )
    + web("POST", "/charge;x=1", "/charge;"),
    "06 query and fragment": web("POST", "/charge?x=/orders/2", "/charge?", "/charge%3fx=1", "/charge%23", "/x?/charge")
    + web("GET", "/orders/2?/internal", "/orders/internal?x", "/?/orders/2")
    + [Ask(WEB, "POST", "/charge#x", refused=True), Ask(WEB, "GET", "/orders/2#/../internal", refused=True)],
    "07 slash, case, dot and length": web(
        "POST", "/charge/", "/Charge", "/CHARGE", "/charge.", "/charg", "/chargee", "/"
    )
    + web("GET", "/orders", "/orders/", "/ORDERS/2", "/orders/" + "a" * 4000, "/orders/INTERNAL", "/orders/%49nternal"),
    "08 host (CVE-2021-39155)": [
        Ask(WEB, "GET", "/orders/2", raw=GET_ORDER.format(f"host: {host}\r\n").encode())
        for host in ("PAYMENTS", "payments:20203", "payments.", "elsewhere.example", "127.0.0.1")
    ]
    + [
        Ask(WEB, "GET", "/orders/2", raw=GET_ORDER.format("host: a\r\nhost: b\r\n").encode()),
        Ask(WEB, "GET", "/orders/2", raw=b"GET http://other/orders/2 HTTP/1.1\r\nhost: payments\r\n\r\n"),
        Ask(WEB, "GET", "/charge", raw=b"GET http://other/charge HTTP/1.1\r\nhost: payments\r\n\r\n"),
    ],
    "09 a header twice or as a list (CVE-2026-26308)": [
        refund(),
        refund(("x-team", "a")),
        refund(("x-team", "b")),
        refund(("x-team", "a"), ("x-team", "b")),
        refund(("x-team", "b"), ("x-team", "a")),
        refund(("x-team", "a, b")),
        refund(("x-team", "b,a")),
        refund(("X-Team", "a"), seen=(("x-team", "a"),)),
    ],
    "09 space, NUL and spelling of a header (CVE-2019-18802, CVE-2019-9900)": [
        refund(("x-team", "  a \t"), seen=(("x-team", "a"),)),
        refund(("x-team", "A")),
        refund(("x-team", "")),
        refund(("x-team", "a\x00"), refused=True),
        refund(("x_team", "a"), refused=True),
        refund(("x-team ", "a"), refused=True),
    ],
    "09 headers that replace method or path": [
        Ask(WEB, "GET", "/charge", (("x-http-method-override", "POST"),)),
        Ask(WEB, "POST", "/x", (("x-original-url", "/charge"), ("x-rewrite-url", "/charge"))),
        Ask(
            WEB, "GET", "/orders/internal", (("x-forwarded-prefix", "/orders"), ("x-envoy-original-path", "/orders/2"))
        ),
    ],
    "10 methods": [
        *(Ask(WEB, method, "/charge", refused=True) for method in ("post", "PosT", "FOO")),
        *(Ask(WEB, method, "/charge") for method in ("GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH")),
        Ask(WEB, "HEAD", "/orders/2"),
        Ask(WEB, "CONNECT", "/charge", raw=b"CONNECT payments:80 HTTP/1.1\r\nhost: payments\r\n\r\n", refused=True),
        Ask(WEB, "OPTIONS", "*", raw=b"OPTIONS * HTTP/1.1\r\nhost: payments\r\n\r\n", refused=True),
    ],
    "11 upgrades (envoy 35191)": [
        Ask(WEB, "GET", "/charge", (("connection", "upgrade"), ("upgrade", "websocket"))),
        Ask(CHECKOUT, "GET", "/orders/1", (("connection", "upgrade"), ("upgrade", "websocket"))),
        Ask(
            WEB,
            "GET",
            "/charge",
            (("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AA")),
        ),
    ],
    "12 identities that look alike": [
        Ask(f"spiffe://acme.example/ns/{path}", method, target)
        for path in (
            "shop/sa/web-evil",
            "shop/sa/we",
            "shop-evil/sa/web",
            "shop/sa/Web",
            "shop/sa/web/x",
            "web",
            "shop",
        )
        for method, target in (("POST", "/charge"), ("GET", "/orders/2"))
    ]
    + [Ask(AUDIT, "POST", "/charge"), Ask(CHECKOUT, "GET", "/orders/1"), Ask(CHECKOUT, "GET", "/orders/2")],
    "13 patterns are literal but for the wildcard": web(
        "PUT", "/v1.0/x/a+bzc", "/v1x0/x/a+bzc", "/v1.0/x/aab", "/v1.0/a+bc"
    )
    + web("PUT", "/v1.0/x/y/a+b/c", "/v1.0//a+bc", "/p//q", "/p/q", "/p/x/q", "/p/x/q/", "/p/x/y/q", "/x/p/x/q"),
    "18 the service's own port is not the mesh's": web("POST", "/charge"),
    "22 probes stay open to the mesh": [
        Ask(AUDIT, "GET", "/healthz"),
        Ask(AUDIT, "HEAD", "/healthz"),
        Ask(AUDIT, "POST", "/healthz"),
        Ask(AUDIT, "GET", "/healthz/"),
        Ask(AUDIT, "GET", "/healthz/../charge"),
        Ask("spiffe://acme.example/anyone", "GET", "//healthz?x"),
    ],
}


@dataclass(frozen=True)
class Observed:
    ask: Ask
    status: int
    reached: bool


@pytest.fixture(scope="module")
def observed() -> Iterator[dict[str, list[Observed]]]:
    """The whole corpus through one sidecar, request after request; each on a connection of its caller's."""
    with short_folder() as folder:
        yield asyncio.run(_observe(folder))


async def _observe(folder: Path, binary: Path | None = None) -> dict[str, list[Observed]]:
    found: dict[str, list[Observed]] = {}
    async with enforcing(folder, acme_book(CEDAR), binary) as (bench, member):
        lines: dict[str, Line] = {}
        for name, asks in CORPUS.items():
            found[name] = []
            for ask in asks:
                if ask.caller not in lines:
                    lines[ask.caller] = Line(member.sidecar.ports.mesh, tls_as(bench, ask.caller, uris=[ask.caller]))
                before = len(member.served)
                status = await lines[ask.caller].ask(ask.sent())
                found[name].append(Observed(ask, status, len(member.served) > before))
        for line in lines.values():
            line.close()
    return found


@pytest.fixture(scope="module")
def book() -> Book:
    return acme_book(CEDAR)


@pytest.mark.parametrize("name", CORPUS)
def test_no_way_round(name: str, observed: dict[str, list[Observed]], book: Book) -> None:
    assert_no_way_round(observed[name], book)


def assert_no_way_round(found: list[Observed], book: Book) -> None:
    for one in found:
        allowed = expected(book, one.ask)
        shown = (one.ask.sent(), one.ask.caller, one.status)
        assert one.reached is (allowed is True), shown
        if allowed is None:
            assert one.status in {ENDED, 400, 403, 404}, shown
        else:
            assert one.status == (200 if allowed else 403), shown


@pytest.mark.long
@pytest.mark.parametrize("build", ["1.39.3"])
def test_no_way_round_on_the_oldest_build_that_is_given_rules(build: str, book: Book) -> None:
    assert tuple(map(int, build.split(".")[:2])) == OLDEST
    with short_folder() as folder:
        found = asyncio.run(_observe(folder, ROOT / ".cache" / "envoy" / build / "envoy"))
    for asks in found.values():
        assert_no_way_round(asks, book)


def test_every_class_has_requests_that_are_let_in_or_names_only_wrong_ones(observed: dict[str, list[Observed]]) -> None:
    """A proxy that refused everything would pass the rest."""
    assert sum(one.reached for asks in observed.values() for one in asks) > 20


def expected(book: Book, ask: Ask) -> bool | None:
    """Cedar's and the tree's verdict; none where the proxy refuses before any rule."""
    return None if ask.refused else verdict(book, ask.caller, ask.method, ask.target, ask.headers)
