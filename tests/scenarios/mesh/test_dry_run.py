"""A change of policy, tried on real sidecars before it counts.

1. A candidate without one rule would break a caller: it is shown with the count, the promotion is refused, and nobody
   is refused meanwhile.
2. Mended, and with a forbid that meets nobody, it is tried again, survives the server's death, and is promoted: the
   same requests, and none is refused.
3. Sidecars that judged by it no longer do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.mesh import Mesh, access_log, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import status

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("traffic")]

WEB, TILL = (
    f'@id("{name}") permit (principal == Service::"shop/{name}", action == Action::"charge", resource);'
    for name in ("web", "till")
)
NEVER = '@id("never") forbid (principal == Service::"shop/pay", action, resource);'
REQUESTS = 5
A_PARCEL = 180.0  # seconds: an agent fills one for a minute before the server is told


def ruled(repository: Repository, *rules: str) -> Repository:
    return replace(repository, further={"services/shop/pay/policy.cedar": "\n".join(rules)})


def test_a_candidate_is_seen_before_it_counts(mesh: Mesh) -> None:
    plain = Repository(mesh.members("web", "till", "pay", web=["pay"], till=["pay"]))
    mesh.start_server()
    mesh.apply(ruled(plain, WEB, TILL))
    mesh.join()
    mesh.start_sidecars(*plain.members)
    ports = {name: plain[name].listen("pay") for name in ("web", "till")}
    until(lambda: all(status(mesh.address, one) == 200 for one in ports.values()), "both reach pay")
    trying = Trying(mesh, ports)

    breaking = trying.start(ruled(plain, WEB))
    trying.ask()
    until(lambda: trying.status()["judged"] == 2 * REQUESTS, "every request was judged", A_PARCEL)
    (denied,) = trying.status()["newly_denied"]
    assert (denied["caller"], denied["operation"]) == (plain["till"].spiffe_id, "charge")
    assert (denied["count"], denied["before"], denied["after"]) == (REQUESTS, "till", None)
    refused = trying.run("promote", breaking, "--after", "0s")
    assert "error[dry-run-unexpected-denial]" in refused
    assert f"{REQUESTS} requests" in refused
    trying.run("stop")
    assert trying.revision() == 1

    mended = trying.start(ruled(plain, WEB, TILL, NEVER))
    mesh.server.part.kill()
    mesh.server.part.start()
    until(mesh.server.ready, "the server is back")
    until(trying.is_covered, "it is still tried")
    trying.ask()
    until(lambda: trying.status()["judged"] == 2 * REQUESTS, "every request was judged", A_PARCEL)
    assert trying.status()["newly_denied"] == trying.status()["newly_allowed"] == []
    assert "holds, as the dry run 2-" in trying.run("promote", mended, "--after", "0s")
    assert trying.revision() == 2
    assert trying.status()["ended"]["how"] == "its files are in force"
    trying.ask()

    until(lambda: not trying.judges_still(), "no sidecar judges any more")


class Trying:
    """The operator's commands, and callers who must never notice them."""

    def __init__(self, mesh: Mesh, ports: Mapping[str, int]) -> None:
        self._mesh = mesh
        self._ports = ports

    def start(self, candidate: Repository) -> str:
        folder = str(self._mesh.written(candidate))
        assert "nobody is refused by it" in self.run("start", folder, "--for", "1h")
        until(self.is_covered, "every sidecar that it concerns judges by it")
        return folder

    def ask(self) -> None:
        for _ in range(REQUESTS):
            for port in self._ports.values():
                assert status(self._mesh.address, port) == 200

    def run(self, *words: str) -> str:
        ran = self._mesh.run("policy", "shadow", *words, "--server-socket", str(self._mesh.server.admin))
        return ran.stdout + ran.stderr

    def status(self) -> Any:  # noqa: ANN401 - the answer as JSON
        return json.loads(self.run("status", "--json"))

    def is_covered(self) -> bool:
        sidecars = self.status()["sidecars"]
        return bool(sidecars) and all(one["state"] == "judges" and not one["away"] for one in sidecars)

    def revision(self) -> int:
        current = self._mesh.server.status().revision
        assert current is not None
        return current.number

    def judges_still(self) -> bool:
        self.ask()
        lines = [one for one in access_log(self._mesh.node.sidecars["pay"]) if one.get("log") == "inbound"]
        return any("candidate" in json.dumps(one["rbac"]) for one in lines[-2 * REQUESTS :])
