from __future__ import annotations

import pytest

from tests.kit.repository import PAYMENTS, WEB, admitted, only, repository


def test_a_profile_exists() -> None:
    finding = only(repository(profiles__short="lifetime: 5m", shop__web=WEB + "profile: shrt\n"))
    assert (finding.code, "did you mean short?" in finding.what) == ("unknown-profile", True)


def test_an_unknown_default_profile_is_found_once() -> None:
    finding = only(repository(trustdomain="{trust_domain: acme.example, default_profile: shrt}"))
    assert (finding.code, str(finding.place)) == ("unknown-profile", "trustdomain.yaml:1:30")


def test_a_callee_is_declared() -> None:
    finding = only(repository(shop__web=WEB.replace("shop/payments", "shop/paymens")))
    assert (finding.code, str(finding.place)) == ("unknown-callee", "services/shop/web/service.yaml:5:3")
    assert "did you mean shop/payments?" in finding.what


def test_an_operation_called_is_offered() -> None:
    finding = only(repository(shop__web=WEB.replace("[charge]", "[charge, chrage]")))
    assert (finding.code, str(finding.place)) == ("unknown-operation", "services/shop/web/service.yaml:5:40")


def test_a_callee_has_ports() -> None:
    files = repository(shop__payments=PAYMENTS.replace("ports:", "# ports:"))
    assert only(files).code == "callee-without-ports"


def test_a_caller_has_ports() -> None:
    assert only(repository(shop__web=WEB.replace("ports:", "# ports:"))).code == "calls-without-ports"


def test_a_service_does_not_call_itself() -> None:
    assert only(repository(shop__web=WEB + "  shop/web: {listen: 20302}\n")).code == "calls-itself"


def test_one_request_has_one_name() -> None:
    files = repository(shop__payments=PAYMENTS.replace("refund:", "pay: POST /charge\n  refund:"))
    assert only(files).code == "operation-named-twice"


@pytest.mark.parametrize(
    ("operation", "probe"),
    [
        ("GET /healthz", "GET /healthz"),
        ("GET /*", "GET /healthz"),
        ("GET /healthz", "HEAD /healthz"),
        ("HEAD /*", "HEAD /a/b"),
    ],
)
def test_a_probe_opens_no_operation(operation: str, probe: str) -> None:
    files = repository(shop__payments=PAYMENTS.replace("data:", f"  look: {operation}\nprobes: [{probe}]\ndata:"))
    assert only(files).code == "probe-opens-operation"


def test_a_probe_beside_operations_is_fine() -> None:
    content = PAYMENTS.replace("data:", "  look: GET /a/*\nprobes: [GET /a, GET /healthz]\ndata:")
    assert admitted(repository(shop__payments=content)) == {"shop/web", "shop/payments"}


def test_a_reader_is_a_service() -> None:
    files = repository(trustdomain="{trust_domain: acme.example, readers: [spiffe://acme.example/ns/shop/sa/wbe]}")
    finding = only(files)
    assert (finding.code, str(finding.place)) == ("unknown-reader", "trustdomain.yaml:1:40")


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("app: 20102", "app: 20101"),  # web's app port
        ("mesh: 20202", "mesh: 20201"),  # web's mesh port
        ("mesh: 20202", "mesh: 20301"),  # web's way to payments
        ("mesh: 20202", "mesh: 20102"),  # its own app port
    ],
)
def test_ports_of_services_that_share_a_node_differ(mine: str, other: str) -> None:
    assert only(repository(shop__payments=PAYMENTS.replace(mine, other))).code == "port-clash"


def test_services_that_share_no_node_may_use_one_port() -> None:
    payments = PAYMENTS.replace("app: 20102", "app: 20101") + "nodes: [b]\n"
    assert admitted(repository(shop__web=WEB + "nodes: [a]\n", shop__payments=payments)) == {
        "shop/web",
        "shop/payments",
    }
