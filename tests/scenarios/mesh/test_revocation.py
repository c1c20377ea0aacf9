"""Revocation under traffic, by the commands an operator types, on a mesh of real processes.

What must be seen: whoever is revoked is refused within two seconds, on new connections and on those that are open,
and nobody else sees a failed request.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.kit.mesh import Mesh, until
from tests.kit.mesh_peers import REFUSED, answer, client_context
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Counts, Traffic, status
from trustplane.spiffe.x509_svid import X509Svid

BITES_WITHIN_SECONDS = 2.0


def mesh_of_four(mesh: Mesh) -> Repository:
    """`web`, `batch` and `robot` call `pay`. A robot is a Python program without a sidecar: its key can be stolen."""
    pay, web, batch, robot = mesh.members("pay", "web", "batch", "robot", web=["pay"], batch=["pay"], robot=["pay"])
    repository = Repository((pay, web, batch, replace(robot, executable=Path(sys.executable).resolve())))
    mesh.start_server()
    mesh.apply(repository)
    mesh.join()
    mesh.start_sidecars(pay, web, batch)
    until(lambda: all(status(mesh.address, port) == 200 for port in ports(repository).values()), "all reach pay")
    return repository


def ports(repository: Repository) -> dict[str, int]:
    return {name: repository[name].listen("pay") for name in ("web", "batch")}


class Thief:
    """Someone with a copy of the robot's key, who calls pay without a sidecar, over one connection that stays open."""

    def __init__(self, mesh: Mesh, repository: Repository, loot: Path) -> None:
        loot.mkdir(exist_ok=True)
        fetch = ("svid", "fetch", "--socket", str(mesh.node.workload), "--write", str(loot))
        # The server has issued it; whether the agent has it yet is another matter.
        until(lambda: mesh.run(*fetch).returncode == 0, "the agent gives the robot its SVID")
        self.context = client_context(loot / "svid.pem", loot / "key.pem")
        self.svid = X509Svid.from_pem((loot / "svid.pem").read_bytes())
        self._where = (mesh.address, repository["pay"].mesh)
        self._open = http.client.HTTPSConnection(*self._where, timeout=10, context=self.context)

    @property
    def serial(self) -> str:
        return f"{self.svid.serial:032x}"

    def over_the_open_connection(self) -> str:
        # No body: HTTP/1.1 has to end a connection whose request was refused before it was read.
        self._open.request("POST", "/charge")
        answered = self._open.getresponse()
        answered.read()
        assert not answered.will_close  # else the next request would be one of a new connection
        return str(answered.status)

    def over_a_new_one(self) -> str:
        return answer(self.context, *self._where)

    def close(self) -> None:
        self._open.close()


@contextmanager
def theft(mesh: Mesh, repository: Repository) -> Iterator[Thief]:
    thief = Thief(mesh, repository, mesh.folder / "loot")
    try:
        assert (thief.over_the_open_connection(), thief.over_a_new_one()) == ("200", "200")
        yield thief
    finally:
        thief.close()


def bites(thief: Thief) -> None:
    """Counted from the end of the command: what it began may not take longer."""
    until(lambda: thief.over_the_open_connection() == "403", "the open connection is refused", BITES_WITHIN_SECONDS)
    until(lambda: thief.over_a_new_one() == REFUSED, "a new connection is refused", BITES_WITHIN_SECONDS)


def revoke(mesh: Mesh, *words: str) -> dict[str, object]:
    return mesh.ask("revoke", *words, "--server-socket", str(mesh.server.admin))


def explained(mesh: Mesh, spiffe_id: str) -> dict[str, object]:
    return mesh.ask("explain", spiffe_id, "--server-socket", str(mesh.server.admin))


def serial_of(mesh: Mesh, spiffe_id: str) -> str:
    return str(explained(mesh, spiffe_id)["certificate"]["serial"])  # type: ignore[index] # JSON


def issuers_of(mesh: Mesh, repository: Repository) -> set[str]:
    found = [explained(mesh, member.spiffe_id)["certificate"] for member in repository.members]
    return {str(one["authority"]) for one in found}  # type: ignore[index] # JSON


def active_issuer(mesh: Mesh) -> str:
    (found,) = [one.id for one in mesh.server.status().authorities if (one.kind, one.state) == ("issuing", "active")]
    return found


def flows_on(counts: Counts, requests: int = 100) -> None:
    goal = counts.good + requests
    until(lambda: counts.good >= goal or counts.wrong, "traffic goes on")


def test_a_stolen_certificate_is_refused_everywhere_and_its_workload_goes_on_with_another(mesh: Mesh) -> None:
    repository = mesh_of_four(mesh)
    with theft(mesh, repository) as thief, Traffic(mesh.address, {"pay": ports(repository)["batch"]}) as others:
        flows_on(others)
        revoke(mesh, "svid", thief.serial, "--reason", "key-compromise", "--note", "laptop stolen")
        bites(thief)
        robot = repository["robot"].spiffe_id
        until(lambda: serial_of(mesh, robot) != thief.serial, "the robot has another", BITES_WITHIN_SECONDS)
        with theft(mesh, repository):
            flows_on(others)
    assert not others.wrong


def test_a_sidecar_whose_certificate_is_revoked_goes_on_with_another(mesh: Mesh) -> None:
    repository = mesh_of_four(mesh)
    web, pay = repository["web"], repository["pay"]
    with Traffic(mesh.address, {"pay": ports(repository)["batch"]}) as others:
        for member in (web, pay):
            before = serial_of(mesh, member.spiffe_id)
            revoke(mesh, "svid", before, "--reason", "superseded")
            until(lambda: serial_of(mesh, member.spiffe_id) != before, "it has another", BITES_WITHIN_SECONDS)  # noqa: B023 - awaited here
            until(lambda: status(mesh.address, ports(repository)["web"]) == 200, "web works", BITES_WITHIN_SECONDS)
            if member is web:
                flows_on(others)
                assert not others.wrong


def test_a_revoked_callee_is_not_called_any_more(mesh: Mesh) -> None:
    repository = mesh_of_four(mesh)
    revoke(mesh, "id", repository["pay"].spiffe_id, "--reason", "cessation-of-operation")
    for port in ports(repository).values():
        until(lambda port=port: status(mesh.address, port) == 503, "pay is refused", BITES_WITHIN_SECONDS)  # type: ignore[misc] # bound at once


def test_a_revoked_id_is_refused_and_issued_to_nobody_until_it_is_lifted(mesh: Mesh) -> None:
    repository = mesh_of_four(mesh)
    robot = repository["robot"].spiffe_id
    with theft(mesh, repository) as thief, Traffic(mesh.address, {"pay": ports(repository)["batch"]}) as others:
        answered = revoke(mesh, "id", robot, "--reason", "privilege-withdrawn")
        assert answered["certificates"] == 1
        bites(thief)
        until(
            lambda: any(one.last_error and "identity-revoked" in one.last_error for one in mesh.node.status().entries),
            "a new certificate is refused",
        )
        assert serial_of(mesh, robot) == thief.serial
        revoke(mesh, "lift", "id", robot)
        until(lambda: serial_of(mesh, robot) != thief.serial, "the robot has another")
        bites(thief)  # what it had stays revoked
        with theft(mesh, repository):
            flows_on(others)
    assert not others.wrong


def test_the_active_issuing_authority_is_replaced_under_traffic_and_nobody_notices(mesh: Mesh) -> None:
    repository = mesh_of_four(mesh)
    old = active_issuer(mesh)
    with theft(mesh, repository) as thief, Traffic(mesh.address, {"pay": ports(repository)["batch"]}) as others:
        with Traffic(mesh.address, {"pay": ports(repository)["web"]}) as too:
            flows_on(others)
            answered = revoke(mesh, "issuer", old[:12], "--reason", "superseded")
            assert answered["cut_at"]
            bites(thief)
            flows_on(others, 300)
            flows_on(too, 300)
        assert issuers_of(mesh, repository) == {active_issuer(mesh)} != {old}
    assert not others.wrong
    assert not too.wrong


def test_a_compromised_authority_is_cut_off_at_once_and_the_mesh_comes_back(mesh: Mesh) -> None:
    repository = mesh_of_four(mesh)
    old = active_issuer(mesh)
    with theft(mesh, repository) as thief:
        revoke(mesh, "issuer", old, "--reason", "key-compromise", "--compromised")
        bites(thief)
        for port in ports(repository).values():
            until(lambda port=port: status(mesh.address, port) == 200, "all reach pay again")  # type: ignore[misc] # bound at once
    assert issuers_of(mesh, repository) == {active_issuer(mesh)} != {old}
