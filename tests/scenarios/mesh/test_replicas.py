"""Two servers on one PostgreSQL: one root, one log, and agents that go on when one of them dies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.store.postgres import running_server
from tests.kit.mesh import PORTS, Mesh, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic, status
from trustplane.main.demo.directory import free_loopback


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    for postgres in running_server():
        yield postgres.fresh_database()


def test_two_replicas_are_one_server(mesh: Mesh, database: str) -> None:
    passphrase = mesh.folder / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery staple\n")
    shared = ("--database-url", database, "--passphrase-file", str(passphrase))
    first = mesh.start_server(*shared, name="alpha")
    second = mesh.start_server(*shared, name="beta", address=free_loopback(PORTS))

    roots = [one.id for one in first.status().authorities if one.kind == "root"]
    assert len(roots) == 1
    until(lambda: first.status().bundle_digest == second.status().bundle_digest, "both publish the same bundle")
    owners = {one.owner for one in second.status().authorities if one.kind == "issuing"}
    assert owners == {"alpha", "beta"}

    repository = Repository(mesh.members("web", "pay", "till", web=["pay"]))
    mesh.apply(repository, second)
    mesh.join()
    mesh.start_sidecars(*repository.members)
    until(lambda: status(mesh.address, repository["web"].listen("pay")) == 200, "web reaches pay")
    _reaches_the_agent_of_the_other(mesh, repository)

    with Traffic(mesh.address, {"pay": repository["web"].listen("pay")}) as counts:
        followed = mesh.node.status().server
        dying, living = (first, second) if followed == first.node_door else (second, first)
        dying.part.kill()
        until(lambda: mesh.node.status().server == living.node_door, "the agent goes to the other")
        mesh.apply(repository, living)
        until(lambda: mesh.node.status().revision == living.status().revision.number, "and hears from it")  # type: ignore[union-attr]
        dying.part.start()
        mesh.until_up(dying.part, dying.ready)
    assert not counts.wrong
    for server in (first, second):
        verified = mesh.ask("audit", "verify", "--server-socket", str(server.admin))
        assert verified["verified"] is True


def _reaches_the_agent_of_the_other(mesh: Mesh, repository: Repository) -> None:
    """A revision that one replica applies is pushed by the one that the agent follows."""
    followed = mesh.node.status().server
    other = next(one for one in mesh.servers.values() if one.node_door != followed)
    changed = repository.calling("till", "pay")
    mesh.apply(changed, other)
    until(lambda: mesh.node.status().revision == 2, "the agent hears of it")
    until(lambda: status(mesh.address, changed["till"].listen("pay")) == 200, "and till reaches pay")
