from __future__ import annotations

from datetime import timedelta

from tests.kit.server_door import NOON
from trustplane.cli import status_text
from trustplane.wire import http_shapes as shapes


def expiry(service: str, minutes: float) -> shapes.FirstExpiryShape:
    at = NOON + timedelta(minutes=minutes)
    return shapes.FirstExpiryShape(service=service, node="node-a", serial="ab" * 16, at=at, seconds=minutes * 60)


def shown(
    *services: shapes.FirstExpiryShape, mttr: float | None = None, findings: tuple[shapes.FindingShape, ...] = ()
) -> str:
    first = min(services, key=lambda one: one.at, default=None)
    return status_text.server(
        shapes.ServerStatusShape(
            trust_domain="acme.example",
            instance="server-1",
            version="9.9",
            database="sqlite",
            started_at=NOON,
            now=NOON,
            can_issue=True,
            reasons=(),
            revision=None,
            services=0,
            bundle_digest="d" * 64,
            bundle_sequence=1,
            authorities=(),
            agents=(),
            sidecars=(),
            not_held=(),
            outage_budget=shapes.OutageBudgetShape(first=first, services=services, mttr_seconds=mttr),
            findings=findings,
        )
    )


def test_the_outage_budget_is_shown_overall_and_by_service_with_the_least_first() -> None:
    text = shown(expiry("shop/payments", 40), expiry("shop/web", 14.05), mttr=600)
    assert "issuer outage budget: 14m 3s, not below mttr 10m\n" in text
    lines = [line.split()[:3] for line in text.splitlines() if line.startswith("shop/")]
    assert lines == [["shop/web", "14m", "3s"], ["shop/payments", "40m", "node-a"]]


def test_a_budget_below_mttr_stands_out() -> None:
    assert "issuer outage budget: 9m 59s, BELOW mttr 10m" in shown(expiry("shop/web", 599 / 60), mttr=600)
    assert "issuer outage budget: 9m 59s\n" in shown(expiry("shop/web", 599 / 60))


def test_without_a_leaf_there_is_no_figure() -> None:
    assert "issuer outage budget: no service has a leaf yet" in shown()


def test_a_long_list_of_services_is_cut_and_says_so() -> None:
    many = [expiry(f"shop/s{n}", n + 1) for n in range(status_text.MAX_SERVICES + 7)]
    assert "and 7 services with more: --json" in shown(*many)


def test_what_is_to_be_mended_is_told_with_its_place() -> None:
    finding = shapes.FindingShape(
        code="waiver-expired", what="the waiver ended", why="still so", fix="mend it", place="waivers/a.yaml:1:1"
    )
    told = "error[waiver-expired] at waivers/a.yaml:1:1: the waiver ended\n  why: still so\n  fix: mend it"
    assert told in shown(findings=(finding,))
