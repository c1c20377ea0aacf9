from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.repository import PAYMENTS, WEB, findings, only, repository
from trustplane.fault import Refused
from trustplane.flows.desired.admit_policies import admitted
from trustplane.registry.layout import MAX_FILES
from trustplane.registry.model import Call, KeyKind, Operation, Ports, Probe, Profile, RenewalWindow, Service
from trustplane.registry.repository import read
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.spiffe.selectors import Selector

SHOP = Path(__file__).parents[3] / "examples" / "shop" / "trust"


def test_a_minimal_repository_gets_the_defaults() -> None:
    state = read(repository(shop__web="selectors: [unix:uid:1001]"))
    web = state.services[ServiceName("shop", "web")]
    assert str(web.spiffe_id) == "spiffe://acme.example/ns/shop/sa/web"
    assert web.owners == ("shop-team",)
    assert (web.ports, web.nodes, web.calls, web.longest_request) == (None, frozenset(), (), timedelta(seconds=15))
    assert web.profile == state.default_profile == "standard"
    standard = state.profiles["standard"]
    assert (standard.version, standard.key, standard.lifetime) == (0, KeyKind.P256, timedelta(hours=1))


EVERY_KEY = """
    owners: [cash-team]
    selectors: [unix:uid:1001, unix:path:/usr/bin/web]
    nodes: [node-a, node-b]
    profile: long
    id: spiffe://acme.example/till/front
    ports: {app: 20101, mesh: 20201}
    operations: {show: POST /pages/*}
    calls: {shop/payments: {listen: 20301}}
    probes: [HEAD /alive, GET /alive]
    data: [pii, payment]
    longest_request: 1m
    hint: front
"""


def test_every_key_of_a_service_takes_effect() -> None:
    state = read(
        repository(
            namespaces="shop: {owners: [shop-team, cash-team], prefixes: [/till]}",
            profiles__long="lifetime: 30d",
            shop__web=EVERY_KEY,
        )
    )
    assert state.services[ServiceName("shop", "web")] == Service(
        name=ServiceName("shop", "web"),
        spiffe_id=SpiffeId.parse("spiffe://acme.example/till/front"),
        owners=("cash-team",),
        selectors=frozenset({Selector("unix:uid", "1001"), Selector("unix:path", "/usr/bin/web")}),
        profile="long",
        nodes=frozenset({NodeName("node-a"), NodeName("node-b")}),
        ports=Ports(app=20101, mesh=20201),
        operations=(Operation("show", "POST", "/pages/*"),),
        calls=(Call(ServiceName("shop", "payments"), 20301),),
        probes=(Probe("GET", "/alive"), Probe("HEAD", "/alive")),
        data=frozenset({"pii", "payment"}),
        longest_request=timedelta(minutes=1),
        hint="front",
    )


def test_every_key_of_a_profile_and_of_the_trust_domain_takes_effect() -> None:
    state = read(
        repository(
            trustdomain="""
                trust_domain: acme.example
                default_profile: short
                readers: [spiffe://acme.example/ns/shop/sa/web]
            """,
            profiles__short="{version: 3, key: rsa2048, lifetime: 15m, backdate: 10s, renew: 40%-60%}",
        )
    )
    assert {service.profile for service in state.services.values()} == {"short"}
    assert state.profiles["short"] == Profile(
        name="short",
        version=3,
        key=KeyKind.RSA2048,
        lifetime=timedelta(minutes=15),
        backdate=timedelta(seconds=10),
        renew=RenewalWindow(0.4, 0.6),
    )
    assert state.readers == {SpiffeId.parse("spiffe://acme.example/ns/shop/sa/web")}


def test_names_that_yaml_would_convert_are_names() -> None:
    state = read(
        repository(namespaces="{shop: {owners: [yes]}, no: {owners: [null]}}", no__on="selectors: [unix:uid:7]")
    )
    assert ServiceName("no", "on") in state.services
    assert state.namespaces["no"].owners == ("null",)


def test_everything_wrong_is_said_at_once_in_order_of_place() -> None:
    found = findings(
        repository(
            trustdomain="trust_domain: ACME\n",
            namespaces="shop: {owner: [shop-team]}\n",
            shop__web="selectors: [unix:uid:x]\nprot: 1\n",
            shop__payments="ports: {app: 0}\nselectors: unix:uid:1\n",
            extra="a: 1",
        )
    )
    assert [(finding.code, str(finding.place)) for finding in found] == [
        ("unknown-file", "extra.yaml:1:1"),
        ("missing-key", "namespaces.yaml:1:7"),
        ("unknown-key", "namespaces.yaml:1:8"),
        ("missing-key", "services/shop/payments/service.yaml:1:8"),
        ("wrong-type", "services/shop/payments/service.yaml:2:12"),
        ("bad-selector", "services/shop/web/service.yaml:1:13"),
        ("unknown-key", "services/shop/web/service.yaml:2:1"),
        ("bad-spiffe-id", "trustdomain.yaml:1:15"),
    ]


def test_a_mistake_is_not_repeated_by_what_refers_to_it() -> None:
    assert only(repository(shop__payments=PAYMENTS + "hints: x\n")).code == "unknown-key"


def test_an_unknown_key_names_the_nearest() -> None:
    finding = only(repository(shop__payments=PAYMENTS + "opertions: {}\n"))
    assert "did you mean operations?" in finding.what
    assert str(finding.place) == "services/shop/payments/service.yaml:7:1"


@pytest.mark.parametrize("missing", ["trustdomain.yaml", "namespaces.yaml"])
def test_the_two_required_files_are_required(missing: str) -> None:
    files = repository(shop__web=None, shop__payments=None)
    del files[missing]
    finding = only(files)
    assert (finding.code, str(finding.place)) == ("missing-file", f"{missing}:1:1")


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("ports", "{app: 20101}", "missing-key"),
        ("ports", "{app: 20101, mesh: 65536}", "bad-port"),
        ("ports", "{app: 0, mesh: 20201}", "bad-port"),
        ("ports", "{app: 020101, mesh: 20201}", "wrong-type"),
        ("ports", "{app: 20_101, mesh: 20201}", "wrong-type"),
        ("ports", "20101", "wrong-type"),
        ("nodes", "[Node]", "bad-name"),
        ("nodes", "[a, a]", "duplicate-item"),
        ("nodes", "", "wrong-type"),
        ("id", "web", "bad-spiffe-id"),
        ("id", "spiffe://acme.example/ns/shop/sa/../x", "bad-spiffe-id"),
        ("owners", "['shop team']", "bad-owner"),
        ("data", "[paymnet]", "unknown-value"),
        ("longest_request", "15", "wrong-type"),
        ("longest_request", "2h", "bad-duration"),
        ("longest_request", "0s", "wrong-type"),
        ("hint", "'" + "x" * 257 + "'", "bad-hint"),
        ("probes", "[/healthz]", "wrong-type"),
        ("probes", "[POST /healthz]", "bad-probe"),
        ("probes", "[GET /health/*]", "bad-request-pattern"),
        ("operations", "[POST /a]", "wrong-type"),
        ("operations", "{a: post /a}", "bad-request-pattern"),
        ("operations", "{a: CONNECT /a}", "bad-request-pattern"),
        ("operations", "{a: 'POST  /a'}", "wrong-type"),
        ("operations", "{A: POST /a}", "bad-name"),
        ("calls", "{payments: {listen: 20301}}", "bad-name"),
        ("calls", "{shop/payments/x: {listen: 20301}}", "bad-name"),
        ("calls", "{shop/payments: {}}", "missing-key"),
        ("calls", "{shop/payments: {listen: 20301, operations: []}}", "empty-list"),
        ("calls", "{shop/payments: {listen: 20301, port: 1}}", "unknown-key"),
    ],
)
def test_a_bad_value_of_a_service_is_refused_once_with_its_place(key: str, value: str, code: str) -> None:
    finding = only(repository(shop__web=f"selectors: [unix:uid:1001]\n{key}: {value}\n"))
    assert finding.code == code
    assert finding.place is not None
    assert (finding.place.file, finding.place.line) == ("services/shop/web/service.yaml", 2)


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/a/./b",
        "/..",
        "//a",
        "/a//b",
        "a",
        "/a%2fb",
        "/a?b",
        "/a#b",
        "/a;b",
        "/a*",
        "/*/a",
        "/a\\b",
        "/a b",
        "",
    ],
)
def test_a_path_with_two_readings_is_refused(path: str) -> None:
    with pytest.raises(Refused) as refused:
        Operation("a", "GET", path)
    assert refused.value.code == "bad-request-pattern"


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("key", "ed25519", "refused-key-kind"),
        ("key", "p255", "unknown-value"),
        ("lifetime", "10s", "bad-lifetime"),
        ("lifetime", "91d", "bad-lifetime"),
        ("lifetime", "1h30m", "wrong-type"),
        ("backdate", "2h", "bad-backdate"),
        ("renew", "75%-50%", "bad-renewal-window"),
        ("renew", "50-75", "wrong-type"),
        ("version", "0", "bad-version"),
        ("extensions", "[]", "unknown-key"),
    ],
)
def test_a_bad_value_of_a_profile_is_refused_once(key: str, value: str, code: str) -> None:
    finding = only(repository(profiles__standard=f"{key}: {value}"))
    assert finding.code == code
    assert finding.place is not None
    assert (finding.place.file, finding.place.line) == ("profiles/standard.yaml", 1)


def test_why_ed25519_is_refused_is_said() -> None:
    assert "Envoy" in only(repository(profiles__standard="key: Ed25519")).why


@pytest.mark.parametrize(
    "path", ["README.md", "services/shop/web/NOTES.MD", ".git/config", "services/.keep", "a/.b/c.yaml"]
)
def test_what_belongs_to_people_is_left_alone(path: str) -> None:
    assert read({**repository(), path: b"\xff: ["}) == read(repository())


@pytest.mark.parametrize(
    "path",
    [
        "services/shop/web/policy.cedar",
        "services/shop/web.yaml",
        "services/shop/web/extra/service.yaml",
        "profiles/standard.yml",
        "profiles//standard.yaml",
        "./trustdomain.yaml",
        "services/../services/shop/web/service.yaml",
        "/namespaces.yaml",
        "templates/a.yaml",
        "x\x1b[31m.yaml",
        "\udcff.yaml",
    ],
)
def test_a_file_without_a_place_is_refused_and_shown_escaped(path: str) -> None:
    finding = only({**repository(), path: b"a: 1"})
    assert finding.code == "unknown-file"
    assert str(finding).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "path", ["services/Shop/web/service.yaml", "services/shop/we_b/service.yaml", "profiles/.yaml"]
)
def test_a_path_that_is_no_name_is_refused(path: str) -> None:
    files = {**repository(), path: b"selectors: [unix:uid:9]" if "services" in path else b"version: 1"}
    if path == "profiles/.yaml":
        read(files)  # a dotfile
    else:
        assert only(files).code == "bad-name"


def test_the_number_of_files_is_bounded() -> None:
    files = {f"services/shop/s{number}/service.yaml": b"" for number in range(MAX_FILES + 1)}
    assert only(files).code == "repository-too-large"


def test_the_shop_example_is_admitted_and_only_checkout_calls_payments() -> None:
    files = {path.relative_to(SHOP).as_posix(): path.read_bytes() for path in SHOP.rglob("*") if path.is_file()}
    state = admitted(files)
    assert [str(name) for name in state.services] == [
        "shop/checkout",
        "shop/ledger",
        "shop/payments",
        "shop/reporting",
        "shop/web",
    ]
    payments = ServiceName("shop", "payments")
    assert [caller.name.name for caller in state.callers_of(payments)] == ["checkout"]
    assert state.services[payments].data == {"payment"}
    assert all(Probe("GET", "/healthz") in service.probes for service in state.services.values())


def test_web_and_payments_of_the_kit_are_valid() -> None:
    assert {name.name for name in read(repository(shop__web=WEB)).services} == {"web", "payments"}
