"""Policies as resources of other meshes: exactly, or refused with the place and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.kit.policies import FOLDER, PAYMENTS, policy_book
from trustplane.fault import Finding, Refused
from trustplane.host.repository_files import read_directory
from trustplane.policy import book
from trustplane.policy.export.export import Mesh, exported
from trustplane.policy.export.workload import Manifest
from trustplane.registry.findings import Findings
from trustplane.spiffe.names import ServiceName

ROOT = Path(__file__).parents[4]
GOLDEN = ROOT / "tests" / "vectors" / "policy" / "export"
CHARGE = '@id("c") permit (principal == Service::"shop/checkout", action == Action::"charge", resource);'


def written(mesh: Mesh, cedar: str, *, plain_paths: bool = False, without_callers: bool = False) -> list[Manifest]:
    nobody = {"services/shop/checkout/service.yaml": "selectors: [unix:uid:2]"}
    found = policy_book(cedar, **(nobody if without_callers else {}))
    findings = Findings()
    manifests = exported(found.state, found.rules_of(PAYMENTS), mesh, findings, plain_paths=plain_paths)
    findings.refuse_if_any()
    return manifests


def refused(mesh: Mesh, cedar: str, *, plain_paths: bool = False) -> Finding:
    with pytest.raises(Refused) as refusal:
        written(mesh, cedar, plain_paths=plain_paths)
    return refusal.value.finding


def rules(manifests: list[Manifest], suffix: str) -> object:
    (found,) = (yaml.safe_load(yaml.safe_dump(one)) for one in manifests if str(one["metadata"]).find(suffix) > 0)
    return found["spec"]["rules"]


@pytest.mark.parametrize("mesh", list(Mesh))
def test_the_example_is_exported_as_it_is_kept_beside_this_test(mesh: Mesh) -> None:
    found = book.read(read_directory(ROOT / "examples" / "shop" / "trust"))
    findings = Findings()
    manifests = [
        one
        for name in ("ledger", "payments")
        for one in exported(found.state, found.rules_of(ServiceName("shop", name)), mesh, findings, plain_paths=False)
    ]
    findings.refuse_if_any()
    assert manifests == list(yaml.safe_load_all((GOLDEN / f"shop.{mesh.value}.yaml").read_text()))


@pytest.mark.parametrize("mesh", list(Mesh))
def test_whoever_has_no_rule_is_still_denied(mesh: Mesh) -> None:
    manifests = written(mesh, "", without_callers=True)
    assert manifests[0]["metadata"]["name"] == ("payments-allow-nothing" if mesh is Mesh.ISTIO else "payments")  # type: ignore[index]
    assert "charge" not in str(manifests)


def test_istio_is_told_whole_principals_and_for_a_denial_the_port() -> None:
    manifests = written(
        Mesh.ISTIO,
        CHARGE + '@id("no") forbid (principal in Namespace::"back", action == Action::"one", resource);'
        '@id("not-all") forbid (principal, action == Action::"refund", resource)'
        ' unless { principal == Service::"shop/web" || principal in TrustDomain::"partner.example" };',
    )
    denied = rules(manifests, "payments-forbidden")
    assert denied == [
        {
            "from": [{"source": {"principals": ["shop.example/ns/back/sa/audit"]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/orders/1"], "ports": ["20103"]}}],
        },
        {
            "from": [
                {"source": {"principals": ["shop.example/*"], "notPrincipals": ["shop.example/ns/shop/sa/web"]}},
                {"source": {"notPrincipals": ["shop.example/ns/shop/sa/web", "partner.example/*"]}},
            ],
            "to": [{"operation": {"methods": ["POST"], "paths": ["/charge/refund"], "ports": ["20103"]}}],
        },
    ]


def test_a_header_of_a_rule_is_a_condition_of_it() -> None:
    cedar = CHARGE[:-1] + ' when { context.headers has "x-team" && context.headers["x-team"].contains("a") };'
    found = rules(written(Mesh.ISTIO, cedar), "payments-allowed")
    assert found[0]["when"] == [{"key": "request.headers[x-team]", "values": ["a"]}]  # type: ignore[index]
    routes = [one for one in written(Mesh.LINKERD, cedar) if one["kind"] == "HTTPRoute"]
    assert "{'type': 'Exact', 'name': 'x-team', 'value': 'a'}" in str(routes)


def test_what_lies_below_a_prefix_is_exported_only_where_paths_have_one_reading() -> None:
    cedar = '@id("r")\npermit (principal == Service::"shop/web", action == Action::"read", resource);'
    for mesh in Mesh:
        finding = refused(mesh, cedar)
        assert finding.code == "export-not-exact"
        assert str(finding.place) == f"{FOLDER}policy.cedar:2:1"
        assert "--plain-paths" in finding.fix
    assert "/orders/*" in str(rules(written(Mesh.ISTIO, cedar, plain_paths=True), "payments-allowed"))
    assert "'value': '/orders/.*'" in str(written(Mesh.LINKERD, cedar, plain_paths=True))


@pytest.mark.parametrize(
    ("mesh", "cedar", "what"),
    [
        (
            Mesh.ISTIO,
            CHARGE[:-1] + ' when { context.headers has "x-a" && context.headers["x-a"].contains("*") };',
            "Istio cannot say the text '*' as it stands",
        ),
        (
            Mesh.ISTIO,
            CHARGE[:-1] + ' when { context.headers has "x-a" && context.headers["x-a"].contains("a{b}") };',
            "Istio cannot say the text 'a{b}' as it stands",
        ),
        (
            Mesh.ISTIO,
            CHARGE[:-1] + ' when { context.headers has "x-a" };',
            "Istio cannot say that there is a header x-a",
        ),
        (
            Mesh.LINKERD,
            CHARGE + '@id("no") forbid (principal == Service::"shop/checkout", action, resource) '
            'when { context.path == "/charge" };',
            "Linkerd cannot say what no forbids",
        ),
        (
            Mesh.LINKERD,
            '@id("p") permit (principal in TrustDomain::"partner.example", action == Action::"charge", resource);',
            "Linkerd cannot say a rule about partner.example",
        ),
    ],
)
def test_what_a_mesh_cannot_say_is_refused(mesh: Mesh, cedar: str, what: str) -> None:
    finding = refused(mesh, cedar)
    assert (finding.code, finding.what) == ("export-not-exact", what)
    assert finding.place
    assert finding.place.file == f"{FOLDER}policy.cedar"


def test_istio_has_no_wildcard_within_a_path() -> None:
    cedar = (
        '@id("r") permit (principal == Service::"shop/web", action == Action::"any", resource)'
        ' when { context.path like "*a*" };'
    )
    assert refused(Mesh.ISTIO, cedar, plain_paths=True).what == "Istio cannot say the path *a*"


def test_a_denial_that_changes_nothing_is_left_out_for_linkerd() -> None:
    manifests = written(Mesh.LINKERD, CHARGE + '@id("no") forbid (principal in Namespace::"back", action, resource);')
    assert manifests == written(Mesh.LINKERD, CHARGE)


def test_a_route_lists_whoever_may_use_a_wider_one() -> None:
    cedar = (
        '@id("all") permit (principal == Service::"shop/web", action == Action::"read", resource);'
        '@id("one") permit (principal == Service::"back/audit", action == Action::"one", resource);'
    )
    found = {
        str(one["metadata"]["name"]): str(one["spec"])  # type: ignore[index]
        for one in written(Mesh.LINKERD, cedar, plain_paths=True)
        if one["kind"] == "MeshTLSAuthentication"
    }
    (exact,) = (spec for name, spec in found.items() if name.startswith("payments-get-orders-1-"))
    assert "'web'" in exact
    assert "'audit'" in exact


def test_a_service_without_ports_is_refused() -> None:
    found = policy_book()
    findings = Findings()
    exported(found.state, found.rules_of(ServiceName("shop", "web")), Mesh.ISTIO, findings, plain_paths=False)
    with pytest.raises(Refused, match="export-without-port"):
        findings.refuse_if_any()
