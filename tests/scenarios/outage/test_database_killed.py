"""The database crashes under traffic, while leaves are due for renewal, and comes back. Nobody restarts the server."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.contracts.store.postgres import PostgresServer, running_server
from tests.kit.mesh import Mesh, until
from tests.kit.mesh_outage import (
    AWAY,
    EARLY,
    let_pass,
    overdue,
    serials,
    served_mesh,
    time_limit,
    traffic,
    until_renewed,
)

pytestmark = [pytest.mark.scenario, pytest.mark.timeout(time_limit())]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    yield from running_server()


def test_a_database_killed_and_restored_costs_no_request(mesh: Mesh, postgres: PostgresServer) -> None:
    repository, node = served_mesh(mesh, "--database-url", postgres.fresh_database(), renew=EARLY)
    server = mesh.server
    with traffic(mesh, repository) as counts:
        postgres.stop(signal.SIGQUIT)
        before = serials(node)
        let_pass(AWAY)
        assert overdue(node)
        postgres.start()
        until_renewed(node, before)
        until(node.ready, "the agent is well again")
        until(server.ready, "and the server, which nobody restarted")
    assert server.part.alive()
    assert counts.good
    assert not counts.wrong
    assert mesh.ask("audit", "verify", "--server-socket", str(server.admin))["verified"] is True
