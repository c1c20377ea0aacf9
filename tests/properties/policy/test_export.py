"""Whatever is exported to another mesh decides there as the policy does, asked by who wrote neither."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.kit.policies import MESH_PORT, PAYMENTS, REQUESTS, policies, policy_book
from trustplane.fault import Refused
from trustplane.policy.access import Access
from trustplane.policy.book import Book
from trustplane.policy.compile import compiled
from trustplane.policy.export import istio_reading, linkerd_reading
from trustplane.policy.export.export import Mesh, exported
from trustplane.policy.export.workload import Manifest
from trustplane.policy.rules import probes_of
from trustplane.policy.tree import Request, Unambiguous, holds
from trustplane.registry.findings import Findings
from trustplane.spiffe.ids import TrustDomain


def _read(cedar: str) -> Book | None:
    with contextlib.suppress(Refused):
        return policy_book(cedar)
    return None


def _readings(mesh: Mesh, manifests: list[Manifest]) -> tuple[Access, ...]:
    if mesh is Mesh.ISTIO:
        return (istio_reading.access(manifests),)
    both = linkerd_reading.access(manifests, TrustDomain("shop.example"))
    return both.least, both.most


@pytest.mark.parametrize("mesh", list(Mesh))
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much], deadline=None)
@given(policies(), st.lists(REQUESTS, min_size=5, max_size=20), st.booleans())
def test_an_export_decides_as_the_policy(mesh: Mesh, cedar: str, asked: list[Request], plain_paths: bool) -> None:  # noqa: FBT001 - drawn
    found = _read(cedar)
    assume(found is not None)
    assert found
    rules, findings = found.rules_of(PAYMENTS), Findings()
    manifests = exported(found.state, rules, mesh, findings, plain_paths=plain_paths)
    if len(findings):
        assert not manifests
        return
    assert manifests == exported(found.state, rules, mesh, findings, plain_paths=plain_paths)
    source = compiled(rules, probes_of(found.state, rules.service))
    readings = _readings(mesh, manifests)
    for one in asked:
        if plain_paths and not holds(Unambiguous(), one):
            continue
        here = Request(one.caller, one.method, one.path, one.headers, MESH_PORT)
        there = Request(one.caller, one.method, one.path, one.headers, 20103)
        assert {reading.decide(there).allowed for reading in readings} == {source.decide(here).allowed}
