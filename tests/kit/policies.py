"""A small mesh to write policies for, and generated policies and requests about it.

shop/payments offers operations that overlap on purpose: what is below a prefix, one path of it, and a catch-all.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

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
    return policy_book(cedar, yaml).policy_of(PAYMENTS)


def payments(of: Book) -> Service:
    return of.state.services[PAYMENTS]


def request(caller: SpiffeId, method: str, path: str, *headers: tuple[str, str], port: int = MESH_PORT) -> Request:
    return Request(caller, method, path, headers, port)


CALLERS = (WEB, CHECKOUT, AUDIT, UNKNOWN, PARTNER, OTHER_PARTNER, STRANGER)
METHODS = ("GET", "POST", "PUT", "HEAD")
PATHS = (
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
)
PORTS = (1, 80, MESH_PORT)
_NAMES, _VALUES = ("x-team", "x-zone"), ("a", "b", "c")
_LINES: st.SearchStrategy[Headers] = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES)), max_size=3
).map(tuple)
REQUESTS = st.builds(
    Request,
    st.sampled_from(CALLERS),
    st.sampled_from(METHODS),
    st.sampled_from(PATHS),
    _LINES,
    st.sampled_from(PORTS),
)

_PRINCIPALS = (
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
)
_ACTIONS = (
    "action",
    'action == Action::"charge"',
    'action in [Action::"charge", Action::"refund"]',
    'action in Action::"method:GET"',
    'action == Action::"read"',
    'action == Action::"one"',
    'action == Action::"any"',
)
_ATOMS = (
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
)
_HEADERS = (
    'context.headers has "x-team"',
    'context.headers has "x-team" && context.headers["x-team"].contains("a")',
    'context.headers has "x-zone" && context.headers["x-zone"].contains("b")',
)


def drawn_policies(draw: Random, at_most: int = 4) -> str:
    """Cedar in the closed profile; some of it may never apply, which reading refuses."""
    return "\n".join(_drawn_policy(draw, number) for number in range(draw.randint(1, at_most)))


def drawn_request(draw: Random) -> Request:
    lines = tuple((draw.choice(_NAMES), draw.choice(_VALUES)) for _ in range(draw.choice((0, 0, 1, 2))))
    return Request(draw.choice(CALLERS), draw.choice(METHODS), draw.choice(PATHS), lines, MESH_PORT)


def _drawn_policy(draw: Random, number: int) -> str:
    effect = draw.choice(("permit", "permit", "forbid"))
    who = draw.choice(_PRINCIPALS if effect == "permit" else (*_PRINCIPALS, "principal"))
    clauses = "".join(f" {draw.choice(('when', 'unless'))} {{ {_drawn(draw, 3)} }}" for _ in range(draw.randint(0, 2)))
    if effect == "permit" and draw.random() < 0.5:
        clauses += f" when {{ {draw.choice(_HEADERS)} }}"
    return f'@id("r{number}") {effect} ({who}, {draw.choice(_ACTIONS)}, resource){clauses};'


def _drawn(draw: Random, depth: int) -> str:
    def part() -> str:
        return _drawn(draw, depth - 1)

    match draw.randint(0, 5) if depth else 0:
        case 0 | 1 | 2:
            return draw.choice(_ATOMS)
        case 3:
            return f"({part()} {draw.choice(('&&', '||'))} {part()})"
        case 4:
            return f"!({part()})"
        case _:
            return f"(if {part()} then {part()} else {part()})"


def policies() -> st.SearchStrategy[str]:
    return st.randoms(use_true_random=False).map(drawn_policies)
