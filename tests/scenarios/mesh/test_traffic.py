"""Who calls what, told by real sidecars: exactly as often as it happened, whatever dies on the way.

1. Requests that are let in and requests that are not are counted by caller, operation and rule.
2. The agent is killed: what it had counted is delivered once it is back, and nothing twice.
3. The server is killed while requests go on: what was counted meanwhile is delivered once it is back.
"""

from __future__ import annotations

import pytest

from tests.kit.mesh import Mesh, access_log, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import status

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("traffic")]  # a short one is among who-gets-in


def test_every_request_is_counted_once_whatever_dies(mesh: Mesh) -> None:
    web, pay = mesh.members("web", "pay", web=["pay"])
    mesh.start_server()
    mesh.apply(Repository((web, pay)))
    mesh.join()
    mesh.start_sidecars(web, pay)
    port = web.listen("pay")
    until(lambda: status(mesh.address, port) == 200, "web reaches pay")
    asked = Asked(mesh, port)

    asked.times(9, 4)
    until(asked.is_told, "the server knows of every request")
    rules = {(one["operation"], one["allowed"], one["rule"]) for one in asked.decisions()}
    assert rules == {("charge", True, "declared.shop.web"), (None, False, None)}
    (denied,) = [one for one in asked.decisions() if not one["allowed"]]
    assert denied["nearest"] == "declared.shop.web, if the path were /charge"

    asked.times(20, 5)
    until(lambda: asked.is_spooled(mesh), "what was decided is on the node's disk")
    mesh.node.part.kill()
    mesh.start(mesh.node)
    until(asked.is_told, "nothing was lost with the agent, or counted twice")

    mesh.server.part.kill()
    asked.times(7, 3)
    mesh.server.part.start()
    mesh.until_up(mesh.server.part, mesh.server.ready)
    until(asked.is_told, "nothing was lost with the server, or counted twice")
    assert "request denied" in mesh.server.part.said()


class Asked:
    """What was asked of pay, by what the requests were answered, against what the server is told."""

    def __init__(self, mesh: Mesh, port: int) -> None:
        self._mesh = mesh
        self._port = port

    def times(self, allowed: int, denied: int) -> None:
        for path, count, answer in (("/charge", allowed, 200), ("/refund", denied, 403)):
            for _ in range(count):
                assert status(self._mesh.address, self._port, path) == answer

    def logged(self) -> tuple[int, int]:
        lines = [one["status"] for one in access_log(self._mesh.node.sidecars["pay"]) if one.get("log") == "inbound"]
        return lines.count(200), lines.count(403)

    def decisions(self) -> list[dict[str, object]]:
        words = ("policy", "traffic", "shop/pay", "--server-socket", str(self._mesh.server.admin))
        found = self._mesh.ask(*words)["decisions"]
        assert isinstance(found, list)
        return found

    def told(self) -> tuple[int, int]:
        found = self.decisions()
        counts = [
            sum(int(str(one["count"])) for one in found if one["allowed"] is allowed) for allowed in (True, False)
        ]
        return counts[0], counts[1]

    def is_told(self) -> bool:
        return self.told() == self.logged()

    def is_spooled(self, mesh: Mesh) -> bool:
        """Also what has been delivered."""
        return self.told() == self.logged() or any(mesh.node.data.glob("decisions/*.parcel"))
