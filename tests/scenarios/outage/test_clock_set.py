"""The agent's clock is set while it runs, far ahead and far back. It says so by name, and goes on by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_outage import EARLY, serials, served_mesh, traffic, until_renewed
from tests.kit.wrong_clock import WrongClock

pytestmark = pytest.mark.scenario

LIFETIME = timedelta(seconds=60)
TOLERANCE_SECONDS = 10


@pytest.mark.parametrize(
    ("ahead", "name"),
    [
        pytest.param(timedelta(minutes=5), "clock-ahead", id="ahead"),
        pytest.param(timedelta(minutes=-5), "clock-behind", id="behind", marks=pytest.mark.long),
    ],
)
def test_a_clock_that_is_set_is_named_and_costs_no_request(mesh: Mesh, ahead: timedelta, name: str) -> None:
    clock = WrongClock(mesh.folder)
    repository, node = served_mesh(mesh, lifetime=LIFETIME, renew=EARLY, environment=clock.environment)
    with traffic(mesh, repository) as counts:
        clock.set(ahead)
        until(lambda: says(node, name) and off_by(node, ahead), f"status says {name}, and by how much")
        until(lambda: refused(node, name), "fresh leaves that this clock makes invalid are refused by that name")
        assert not node.ready(), "and health is red"
        before = serials(node)
        clock.set(timedelta(0))
        until(lambda: not says(node, name), "the clock is no longer named")
        until_renewed(node, before)
        until(node.ready, "and all is well")
    assert counts.good
    assert not counts.wrong


def says(node: Node, code: str) -> bool:
    return code in {one.code for one in node.status().reasons}


def off_by(node: Node, ahead: timedelta) -> bool:
    """The server's clock less the node's is what status shows."""
    measured = node.status().clock_skew_seconds
    return measured is not None and abs(measured + ahead.total_seconds()) < TOLERANCE_SECONDS


def refused(node: Node, code: str) -> bool:
    return all(code in (one.last_error or "") for one in node.status().entries)
