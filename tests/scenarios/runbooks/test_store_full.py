"""A server with its keys in memory whose store takes no more: it makes no successor and signs no list.

1. The disk under the database is full, a real one: an alert's condition comes true, its runbook names the disk, room is
   made, and it is over.
2. A server that is started without what unseals its keys ends, and starts when it is given back.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.mesh import ENROLMENT_PORT, NODE_PORT, TRUSTPLANE, Mesh, Server, until
from tests.kit.mesh_repository import Repository
from tests.kit.runbook_play import Play, Said
from trustplane.cli import admin
from trustplane.host import small_disk
from trustplane.main.rehearsals.faults import require_small_disk, without_room

pytestmark = [pytest.mark.long, pytest.mark.timeout(500)]
DISK = 16 << 20
STATUS, SHOW = "trustplane server status", "trustplane audit show"
FULL = "the disk under the database is full"
WITHIN = 300.0


@pytest.fixture
def mesh(socket_dir: Path) -> Iterator[Mesh]:
    socket_dir.chmod(0o755)
    require_small_disk(socket_dir)
    with Mesh(socket_dir, drain="1s") as one:
        yield one
        sys.stderr.write(one.last_words())


def on_a_small_disk(mesh: Mesh, *options: str) -> Server:
    data, doors = mesh.folder / "server-1", mesh.folder / "server-1.sock"
    data.mkdir(mode=0o700)
    words = ("server", "run", "--trust-domain", mesh.domain, "--instance", "server-1", "--data-dir", str(data))
    listening = (
        "--listen-node",
        f"{mesh.address}:{NODE_PORT}",
        "--listen-enrolment",
        f"{mesh.address}:{ENROLMENT_PORT}",
    )
    disk = (sys.executable, "-I", small_disk.__file__, str(data), str(DISK))
    return mesh.adopt_server([*disk, *TRUSTPLANE, *words, *listening, "--server-socket", str(doors), *options])


def filled(server: Server) -> ExitStack:
    """Close it, and there is room again."""
    room = ExitStack()
    room.enter_context(without_room(server.part.pid, server.data))
    return room


def figure(server: Server, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", admin.server(server.admin).raw("/metrics").decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def issuer(server: Server) -> str:
    return next(one.id for one in server.status().authorities if one.kind == "issuing" and one.state == "active")


def is_overdue(server: Server) -> bool:
    """As the alert TrustplaneAuthorityChangeMissing asks."""
    due = figure(server, 'trustplane_authority_change_due_timestamp_seconds{kind="issuing"}')
    ends = figure(server, 'trustplane_authority_expiry_timestamp_seconds{kind="issuing"}')
    return time.time() > due + (ends - due) / 10


def play_of(mesh: Mesh, slug: str, leaves: dict[str, str] | None = None, **values: str) -> Play:
    return Play(slug, {"TRUSTPLANE_SERVER_SOCKET": str(mesh.server.admin)}, values, leaves or {})


def test_authority_not_replaced(mesh: Mesh) -> None:
    server = on_a_small_disk(mesh, "--issuing-lifetime", "4m")
    before, room = issuer(server), filled(server)
    with room, play_of(mesh, "authority-not-replaced") as play:
        until(lambda: is_overdue(server), "the alert's condition holds", WITHIN)
        assert issuer(server) == before
        said = play.types("What is it", {STATUS: 1})
        assert "issues    NO" in said[STATUS]
        assert FULL in said[STATUS]
        assert "authorities not looked after" in server.part.said()
        play.by_hand("Make room on the disk of the database", room.close)
        until(lambda: issuer(server) != before, "a successor signs")
        made = play.types("The store takes no more")[SHOW]
        assert f'"authority":"{issuer(server)}","done":true,"step":"made"' in made
        play.is_over(lambda said: FULL not in said[0])
        assert not is_overdue(server)
        play.values["AUTHORITY"] = before = issuer(server)
        play.types("The server makes one and does not switch")
        until(lambda: issuer(server) != before, "it is replaced by order as well")


def test_crl_not_renewed(mesh: Mesh) -> None:
    """A certificate on a list ends, so the list must be signed anew; an issuer stays on the root's."""
    server = on_a_small_disk(mesh)
    members = mesh.members("pay", "web", web=["pay"])
    mesh.apply(Repository(members, lifetime="80s"))
    node = mesh.join()
    until(
        lambda: len(leaves := [one for one in node.status().entries if one.serial]) == 2 and leaves, "both have leaves"
    )
    web = next(one.serial for one in node.status().entries if one.service.endswith("/web"))
    socket = ("--server-socket", str(server.admin))
    mesh.ask("revoke", "issuer", issuer(server), "--reason", "superseded", *socket)
    mesh.ask("revoke", "svid", str(web), "--reason", "key-compromise", *socket)
    until(lambda: figure(server, "trustplane_crl_expiry_timestamp_seconds"), "lists are signed")
    numbers, room = listed(mesh.run("revoke", "list", *socket).stdout), filled(server)
    with room, play_of(mesh, "crl-not-renewed") as play:
        until(lambda: figure(server, "trustplane_revocation_findings"), "the alert's condition holds", WITHIN)
        said = play.types("What is it", {STATUS: 1})
        assert FULL in said[STATUS]
        assert listed(said["trustplane revoke list"].text) == numbers, "no list was signed"
        play.types("The store takes no more")
        play.by_hand("Make room on the disk of the database", room.close)
        until(lambda: not figure(server, "trustplane_revocation_findings"), "the alert's condition has ended")
        play.is_over(lambda said: _is_newer(said[0], numbers))


def _is_newer(said: Said, than: dict[str, int]) -> bool:
    return any(number > than.get(name, 0) for name, number in listed(said.text).items())


def listed(text: str) -> dict[str, int]:
    """The number of each list, by its authority."""
    return {name: int(number) for name, number in re.findall(r"^([0-9a-f]{12})\s+(\d+)\s", text, re.MULTILINE)}


def test_keys_out_of_reach(mesh: Mesh) -> None:
    server = mesh.start_server()
    seal, away = server.data / "seal.key", mesh.folder / "seal.key"
    typed = "played where the disk is full"
    leaves = dict.fromkeys((SHOW, "trustplane revoke issuer <AUTHORITY> --reason superseded"), typed)
    with play_of(mesh, "authority-not-replaced", leaves) as play:
        server.part.stop()
        seal.rename(away)
        server.part.start()
        assert server.part.ended() == 1
        assert "seal-does-not-open" in server.part.said()
        play.by_hand("Give back what unseals them", lambda: away.replace(seal))
        play.by_hand("and start it", server.part.start)
        mesh.until_up(server.part, server.ready)
        play.is_over()
