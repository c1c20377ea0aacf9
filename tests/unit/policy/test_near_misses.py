"""Near misses: whom a caller could be taken for, however many services there are."""

from __future__ import annotations

import pytest

from trustplane.policy import book
from trustplane.policy.misses import MOST_SPOKEN_OF, NEAREST, near_misses
from trustplane.registry.model import DesiredState
from trustplane.spiffe.names import ServiceName

PAY = ServiceName("shop", "pay")


def repository(services: int) -> dict[str, bytes]:
    found = {
        "trustdomain.yaml": b"trust_domain: acme.example\n",
        "namespaces.yaml": b"shop: {owners: [shop]}\nstage: {owners: [shop]}\n",
    }
    names = ["shop/pay", "stage/s0500", *(f"shop/s{number:04}" for number in range(services))]
    for at, name in enumerate(names):
        found[f"services/{name}/service.yaml"] = (
            f"selectors: [unix:uid:{10_000 + at}]\nports: {{app: 20101, mesh: 20201}}\nnodes: [n{at}]\n"
            "operations: {charge: POST /charge}\n"
        ).encode()
    rules = [f'@id("r{one}") permit (principal == Service::"shop/s{one:04}", action, resource);' for one in (0, 500)]
    found["services/shop/pay/policy.cedar"] = "\n".join(rules).encode()
    return found


def callers(services: int) -> tuple[DesiredState, list[str]]:
    read = book.read(repository(services))
    misses = near_misses(read.state, read.written[PAY].rules, 20201)
    return read.state, sorted({str(one.caller) for one in misses})


@pytest.mark.parametrize("services", [600, 900])
def test_a_caller_is_missed_by_its_neighbours_by_name_by_its_namesake_and_by_whomever_the_rules_name(
    services: int,
) -> None:
    state, found = callers(services)
    names = state.names_by_id()
    known = {name for one, name in names.items() if str(one) in found}
    assert {"shop/s0000", "shop/s0500", "stage/s0500", "shop/s0499", "shop/s0501", "shop/pay"} <= known
    assert "shop/s0250" not in known
    assert len(known) <= MOST_SPOKEN_OF + 2 * (3 * NEAREST + 1)


def test_the_misses_of_a_service_do_not_grow_with_the_repository() -> None:
    assert callers(600)[1] == callers(900)[1]
