"""A small mesh to write policies for, and generated policies and requests about it.

shop/payments offers operations that overlap on purpose: what is below a prefix, one path of it, and a catch-all.
"""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from trustplane.policy import book
from trustplane.policy.book import Book, Policy
from trustplane.policy.tree import Headers, Request
from trustplane.registry.model import Service
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import ServiceName

PAYMENTS = ServiceName("shop", "payments")
FOLDER = "services/shop/payments/"
MESH_PORT = 20203
FILES: Mapping[str, str] = {
    "trustdomain.yaml": "trust_domain: shop.example",
    "namespaces.yaml": "shop: {owners: [shop-team]}\nback: {owners: [back-team, shop-team]}",
    "services/shop/web/service.yaml": "selectors: [unix:uid:1]",
    "services/shop/checkout/service.yaml": "selectors: [unix:uid:2]\nports: {app: 20102, mesh: 20202}\ndata: [pii]\n"
    "calls: {shop/payments: {operations: [charge], listen: 20301}}",
    "services/back/audit/service.yaml": "selectors: [unix:uid:3]\nowners: [back-team, shop-team]",
    FOLDER + "service.yaml": "selectors: [unix:uid:4]\nports: {app: 20103, mesh: 20203}\ndata: [payment]\n"
    "probes: [GET /healthz]\n"
    "operations: {charge: POST /charge, refund: POST /charge/refund, read: GET /orders/*, one: GET /orders/1, "
    "any: PUT /*}",
}

WEB = SpiffeId.parse("spiffe://shop.example/ns/shop/sa/web")
CHECKOUT = SpiffeId.parse("spiffe://shop.example/ns/shop/sa/checkout")
AUDIT = SpiffeId.parse("spiffe://shop.example/ns/back/sa/audit")
UNKNOWN = SpiffeId.parse("spiffe://shop.example/ns/shop/sa/gone")
PARTNER = SpiffeId.parse("spiffe://partner.example/ns/x/sa/y")
OTHER_PARTNER = SpiffeId.parse("spiffe://partner.example/ns/x/sa/z")
STRANGER = SpiffeId.parse("spiffe://strange.example/web")


def policy_book(cedar: str = "", yaml: str = "", test: str = "", **others: str) -> Book:
    """The mesh with these files beside payments."""
    written = {"policy.cedar": cedar, "policy.yaml": yaml, "policy_test.yaml": test}
    files = {**FILES, **{FOLDER + name: text for name, text in written.items() if text}, **others}
    return book.read({path: text.encode() for path, text in files.items()})


def policy(cedar: str = "", yaml: str = "") -> Policy:
    return policy_book(cedar, yaml).policies[PAYMENTS]


def payments(of: Book) -> Service:
    return of.state.services[PAYMENTS]


def request(caller: SpiffeId, method: str, path: str, *headers: tuple[str, str], port: int = MESH_PORT) -> Request:
    return Request(caller, method, path, headers, port)


CALLERS = st.sampled_from([WEB, CHECKOUT, AUDIT, UNKNOWN, PARTNER, OTHER_PARTNER, STRANGER])
PATHS = st.sampled_from(
    [
        *(
            "/charge",
            "/charge/refund",
            "/charge/",
            "/orders/1",
            "/orders/",
            "/orders/1/a",
            "/orders/a;b",
            "/orders/%25",
            "/",
        ),
        *("/orders", "/orders/2", "/x", "/x/1/y", "/x/y", "/orders/1b", "/Charge"),
    ]
)
_LINES: st.SearchStrategy[Headers] = st.lists(
    st.tuples(st.sampled_from(["x-team", "x-zone"]), st.sampled_from(["a", "b", "c"])), max_size=3
).map(tuple)
REQUESTS = st.builds(
    Request, CALLERS, st.sampled_from(["GET", "POST", "PUT", "HEAD"]), PATHS, _LINES, st.sampled_from([1, 80, 20203])
)

_PRINCIPALS = st.sampled_from(
    [
        'principal == Service::"shop/web"',
        'principal == Service::"shop/checkout"',
        'principal == Service::"back/audit"',
        f'principal == Peer::"{PARTNER}"',
        'principal in Namespace::"shop"',
        'principal in Group::"shop-team"',
        'principal in TrustDomain::"partner.example"',
        'principal in TrustDomain::"shop.example"',
        "principal is Service",
        'principal is Service in Namespace::"back"',
    ]
)
_ACTIONS = st.sampled_from(
    [
        "action",
        'action == Action::"charge"',
        'action in [Action::"charge", Action::"refund"]',
        'action in Action::"method:GET"',
        'action == Action::"read"',
        'action == Action::"one"',
        'action == Action::"any"',
    ]
)
_ATOMS = st.sampled_from(
    [
        'context.path == "/orders/1"',
        'context.path != "/charge"',
        'context.path like "/orders/*"',
        'context.path like "*1"',
        'context.path like "*r*"',
        'context.path like "/*/1*"',
        '["/charge", "/x"].contains(context.path)',
        "context.port == 20203",
        "context.port < 81",
        'principal == Service::"shop/web"',
        'principal != Service::"shop/web"',
        'principal in Namespace::"shop"',
        'principal in [Namespace::"back", TrustDomain::"partner.example"]',
        "principal is Peer",
        '(principal is Service && principal.data.contains("pii"))',
        'resource.data.contains("payment")',
        "true",
    ]
)
_HEADERS = st.sampled_from(
    [
        'context.headers has "x-team"',
        'context.headers has "x-team" && context.headers["x-team"].contains("a")',
        'context.headers has "x-zone" && context.headers["x-zone"].contains("b")',
    ]
)


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(parts, st.sampled_from(["&&", "||"]), parts).map(lambda one: f"({one[0]} {one[1]} {one[2]})")
    choice = st.tuples(parts, parts, parts).map(lambda one: f"(if {one[0]} then {one[1]} else {one[2]})")
    return pair | parts.map(lambda one: f"!({one})") | choice


_CONDITIONS = st.recursive(_ATOMS, _joined, max_leaves=4)


@st.composite
def policies(draw: st.DrawFn, at_most: int = 4) -> str:
    """Cedar in the closed profile; some of it may never apply, which reading refuses."""
    written = []
    for number in range(draw(st.integers(1, at_most))):
        effect = draw(st.sampled_from(["permit", "permit", "forbid"]))
        who = draw(_PRINCIPALS if effect == "permit" else _PRINCIPALS | st.just("principal"))
        clauses = "".join(
            f" {draw(st.sampled_from(['when', 'unless']))} {{ {draw(_CONDITIONS)} }}"
            for _ in range(draw(st.integers(0, 2)))
        )
        if effect == "permit" and draw(st.booleans()):
            clauses += f" when {{ {draw(_HEADERS)} }}"
        written.append(f'@id("r{number}") {effect} ({who}, {draw(_ACTIONS)}, resource){clauses};')
    return "\n".join(written)
