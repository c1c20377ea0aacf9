from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import msgspec
import pytest

from tests.kit.repository import PAYMENTS, WEB, repository
from trustplane.change.described import Kind
from trustplane.change.plan import FieldChange, Item, Move, Plan, plan
from trustplane.fault import Refused
from trustplane.registry.connections import Connections, WhenTrustChanges
from trustplane.registry.endpoint import Endpoint
from trustplane.registry.federation import ForeignCall, ForeignCaller
from trustplane.registry.model import DesiredState, KeyKind, Ports, Probe, Service
from trustplane.registry.repository import read
from trustplane.spiffe.ids import SpiffeId, TrustDomain
from trustplane.spiffe.names import NodeName, ServiceName
from trustplane.spiffe.patterns import IdPattern
from trustplane.spiffe.selectors import Selector

WEB_NAME = ServiceName("shop", "web")


def state(**changes: str | None) -> DesiredState:
    return read(repository(**changes))


def planned(**changes: str | None) -> Plan:
    return plan(state(), state(**changes))


def item(found: Plan, kind: Kind, name: str) -> Item:
    return next(one for one in found.items if (one.kind, one.name) == (kind, name))


def effects(found: Plan) -> list[tuple[str, bool]]:
    return [(effect.text, effect.dangerous) for one in found.items for effect in one.effects]


def test_equal_states_give_an_empty_plan() -> None:
    assert planned().is_empty
    assert planned(shop__web="# only a comment\n" + WEB).is_empty


def test_the_first_plan_adds_everything_and_endangers_nobody() -> None:
    found = plan(None, state())
    assert {one.move for one in found.items} == {Move.ADDED}
    assert [(one.kind, one.name) for one in found.items] == [
        (Kind.TRUST_DOMAIN, "acme.example"),
        (Kind.PROFILE, "standard"),
        (Kind.NAMESPACE, "shop"),
        (Kind.SERVICE, "shop/payments"),
        (Kind.SERVICE, "shop/web"),
        (Kind.ENTRY, "spiffe://acme.example/ns/shop/sa/payments"),
        (Kind.ENTRY, "spiffe://acme.example/ns/shop/sa/web"),
    ]
    assert not found.is_dangerous


def test_a_new_caller_is_shown_with_its_port_and_is_dangerous() -> None:
    till = "selectors: [unix:uid:7]\nports: {app: 20107, mesh: 20207}\n"
    before = state(shop__till=till)
    found = plan(before, state(shop__till=till + "calls: {shop/payments: {operations: [refund], listen: 20312}}\n"))
    assert found.items == (
        Item(
            Kind.SERVICE,
            "shop/till",
            Move.CHANGED,
            (FieldChange("call shop/payments", "", "refund through port 20312"),),
            found.items[0].effects,
        ),
    )
    assert effects(found) == [
        ("a new port 20312 opens on its node: the way to shop/payments", False),
        ("shop/till gains calls to shop/payments: POST /refunds/*", True),
    ]


def test_a_caller_that_goes_is_shown_with_what_it_loses() -> None:
    found = planned(shop__web=WEB[: WEB.index("calls:")])
    assert effects(found) == [
        ("port 20301 closes on its node: the way to shop/payments", False),
        ("shop/web loses calls to shop/payments: POST /charge", False),
    ]


def test_a_wider_operation_is_a_danger_of_the_callee() -> None:
    found = planned(shop__payments=PAYMENTS.replace("POST /charge", "POST /*"))
    (one,) = found.items
    assert (one.name, one.is_dangerous) == ("shop/payments", True)
    assert ("shop/web gains calls to shop/payments: POST /*", True) in effects(found)


def test_dropping_all_operations_grants_any_request() -> None:
    open_payments = "selectors: [unix:uid:1002]\nports: {app: 20102, mesh: 20202}\ndata: [payment]\n"
    web = WEB.replace("operations: [charge], ", "")
    found = plan(state(shop__web=web), state(shop__web=web, shop__payments=open_payments))
    assert ("shop/web gains calls to shop/payments: any request", True) in effects(found)
    back = plan(state(shop__web=web, shop__payments=open_payments), state(shop__web=web))
    assert not back.is_dangerous
    assert any("keeps POST /charge" in text for text, _ in effects(back))


def test_a_removed_service_loses_its_identity() -> None:
    found = planned(shop__web=None)
    assert item(found, Kind.ENTRY, "spiffe://acme.example/ns/shop/sa/web").is_dangerous
    assert item(found, Kind.SERVICE, "shop/web").move is Move.REMOVED


def test_a_changed_id_takes_the_old_one_away() -> None:
    found = planned(shop__web=WEB + "id: spiffe://acme.example/ns/shop/sa/front\n")
    gone = item(found, Kind.ENTRY, "spiffe://acme.example/ns/shop/sa/web")
    assert (gone.move, gone.is_dangerous) == (Move.REMOVED, True)
    assert item(found, Kind.ENTRY, "spiffe://acme.example/ns/shop/sa/front").move is Move.ADDED
    assert item(found, Kind.SERVICE, "shop/web").fields == (
        FieldChange("id", "spiffe://acme.example/ns/shop/sa/web", "spiffe://acme.example/ns/shop/sa/front"),
    )


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("unix:uid:1001, unix:path:/w", "unix:uid:1001", "processes that do not show unix:path:/w can now be shop/web"),
        ("unix:uid:1001", "unix:uid:1001, unix:path:/w", "processes that do not show unix:path:/w stop being shop/web"),
        ("unix:uid:1001", "unix:uid:1003", "processes that do not show unix:uid:1001 can now be shop/web"),
    ],
)
def test_who_can_be_a_service_is_said_when_it_changes(before: str, after: str, text: str) -> None:
    old = state(shop__web=WEB.replace("unix:uid:1001", before))
    new = state(shop__web=WEB.replace("unix:uid:1001", after))
    assert (text, True) in effects(plan(old, new))


def test_more_and_fewer_nodes_are_said() -> None:
    on_a, on_b = WEB + "nodes: [a]\n", WEB + "nodes: [a, b]\n"
    more = plan(state(shop__web=on_a), state(shop__web=on_b))
    assert effects(more) == [("shop/web can now be on a, b, until now on a", True)]
    fewer = plan(state(), state(shop__web=on_a))
    assert effects(fewer) == [("shop/web can now be only on a, until now on any node", True)]


def test_a_request_opened_to_anyone_is_dangerous() -> None:
    found = planned(shop__payments=PAYMENTS + "probes: [GET /healthz]\n")
    text = "anyone on its node may request GET /healthz of shop/payments without an identity"
    assert effects(found) == [(text, True)]


def test_a_new_reader_is_dangerous_and_a_lost_one_is_not() -> None:
    reader = "spiffe://acme.example/ns/shop/sa/web"
    domain = f"{{trust_domain: acme.example, readers: [{reader}]}}"
    assert effects(planned(trustdomain=domain)) == [(f"{reader} may read the HTTPS API", True)]
    back = plan(state(trustdomain=domain), state())
    assert effects(back) == [(f"{reader} may no longer read the HTTPS API", False)]


def test_a_changed_profile_says_whom_it_reaches() -> None:
    found = planned(profiles__standard="lifetime: 5m")
    assert found.items[0].fields == (FieldChange("lifetime", "1h", "5m"), FieldChange("version", "0", "1"))
    assert effects(found) == [("the next SVIDs of 2 services follow it", False)]


def test_a_profile_does_not_change_under_the_same_version() -> None:
    with pytest.raises(Refused) as refused:
        plan(state(profiles__standard="lifetime: 5m"), state(profiles__standard="lifetime: 6m"))
    assert (refused.value.code, refused.value.finding.fix) == ("profile-version-kept", "write version: 2")


def test_taking_a_profile_back_to_an_earlier_version_is_a_plan() -> None:
    new = state(profiles__standard="{version: 2, lifetime: 6m}")
    assert not plan(new, state(profiles__standard="lifetime: 5m")).is_empty


def test_a_trust_domain_is_not_renamed() -> None:
    with pytest.raises(Refused) as refused:
        planned(trustdomain="trust_domain: other.example")
    assert refused.value.code == "trust-domain-renamed"


@pytest.mark.parametrize(
    "other",
    [
        {"spiffe_id": SpiffeId(TrustDomain("acme.example"), ("x",))},
        {"owners": ("x",)},
        {"selectors": frozenset({Selector("unix:uid", "5")})},
        {"profile": "x"},
        {"nodes": frozenset({NodeName("x")})},
        {"ports": Ports(1, 2)},
        {"operations": ()},
        {"calls": ()},
        {"probes": (Probe("HEAD", "/x"),)},
        {"data": frozenset({"pii"})},
        {"longest_request": timedelta(seconds=1)},
        {"hint": "x"},
        {"connections": Connections(timedelta(minutes=1))},
        {"connections": Connections(None, WhenTrustChanges.DRAIN)},
        {"foreign_callers": (ForeignCaller(IdPattern(TrustDomain("p.example"), ("x",), below=True)),)},
        {"foreign_calls": (ForeignCall(SpiffeId(TrustDomain("p.example"), ("x",)), 1, (Endpoint("192.0.2.1", 1),)),)},
    ],
)
def test_every_field_of_a_service_shows(other: dict[str, object]) -> None:
    current = state(shop__web=WEB + "operations: {a: GET /a}\n")
    changed = replace(current.services[WEB_NAME], **other)  # type: ignore[arg-type]  # one field at a time, any type
    found = plan(current, replace(current, services={**current.services, WEB_NAME: changed}))
    assert not found.is_empty


def test_the_fields_tried_above_are_all_there_are() -> None:
    assert len(fields(Service)) == 15 + len(["name"])


def test_every_field_of_a_profile_shows() -> None:
    current = state(profiles__standard="version: 1")
    standard = current.profiles["standard"]
    renew = replace(standard.renew, opens=0.4)
    for other in (
        replace(standard, version=2, key=KeyKind.RSA2048),
        replace(standard, version=2, lifetime=timedelta(seconds=3601)),
        replace(standard, version=2, backdate=timedelta(seconds=31)),
        replace(standard, version=2, renew=renew),
    ):
        (one,) = plan(current, replace(current, profiles={"standard": other})).items
        assert [field.field for field in one.fields][-1] == "version"
        assert len(one.fields) == 2


def test_namespaces_and_the_default_profile_show() -> None:
    assert [one.kind for one in planned(namespaces="shop: {owners: [shop-team, b]}").items] == [
        Kind.NAMESPACE,
        Kind.SERVICE,
        Kind.SERVICE,
    ]
    prefix = planned(namespaces="shop: {owners: [shop-team], prefixes: [/till]}")
    assert prefix.items[0].fields == (FieldChange("prefixes", "", "/till"),)
    found = planned(trustdomain="{trust_domain: acme.example, default_profile: a}", profiles__a="lifetime: 5m")
    assert item(found, Kind.TRUST_DOMAIN, "acme.example").fields == (FieldChange("default_profile", "standard", "a"),)


def test_a_plan_is_json() -> None:
    found = msgspec.json.decode(msgspec.json.encode(planned(shop__payments=PAYMENTS + "hint: x\n")))
    assert found == {
        "items": [
            {
                "kind": "entry",
                "name": "spiffe://acme.example/ns/shop/sa/payments",
                "move": "changed",
                "fields": [{"field": "hint", "old": "", "new": "x"}],
                "effects": [],
            }
        ],
        "notes": list(planned().notes),
    }
