"""kill -9 of server, agent and sidecar at random points, under traffic, while certificates are renewed all the time.

Nobody tidies up and nobody helps: what was killed is only started again, as a service manager does. Afterwards nothing
was issued twice, nothing was issued that the log did not announce, and no request failed. TRUSTPLANE_CHAOS_SECONDS
makes it longer, TRUSTPLANE_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing

import msgspec
import pytest

from tests.kit.mesh import Mesh, Node, Part, Server, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic, status

SECONDS = float(os.environ.get("TRUSTPLANE_CHAOS_SECONDS", "40"))
SEED = int(os.environ.get("TRUSTPLANE_CHAOS_SEED", "1"))


def serials_recorded(server: Server) -> list[int]:
    with closing(sqlite3.connect(f"file:{server.data / 'trustplane.db'}?mode=ro", uri=True)) as database:
        return [int(row[0], 16) for row in database.execute("SELECT hex(serial) FROM certificates")]


def audit_entries(mesh: Mesh) -> list[Entry]:
    """All of them, through the door an operator has."""
    found: list[Entry] = []
    while True:
        words = ("--start", str(len(found)), "--limit", "1000", "--server-socket", str(mesh.server.admin))
        page = msgspec.convert(mesh.ask("audit", "show", *words), Page)
        found.extend(page.entries)
        if not page.entries:
            return found


class Order(msgspec.Struct):
    serial: str


class Entry(msgspec.Struct):
    index: int
    event: str
    orders: list[Order] = []
    issued: list[str] = []


class Page(msgspec.Struct):
    entries: list[Entry]


def serving(node: Node) -> set[str]:
    return {one.service for one in node.status().sidecars if one.serving}


@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.long
def test_server_and_agent_killed_at_random_points(mesh: Mesh) -> None:
    dice = random.Random(SEED)
    members = mesh.members("web", "pay", "ledger", web=["pay"], pay=["ledger"])
    # Renewed early, a leaf outlives a server that is killed again and again while it comes up, on a slow machine too.
    repository = Repository(members, lifetime="60s", renew="10%-20%")
    server = mesh.start_server()
    mesh.apply(repository)
    node = mesh.join()
    mesh.start_sidecars(*repository.members)
    ports = {"pay": repository["web"].listen("pay"), "ledger": repository["pay"].listen("ledger")}
    until(lambda: all(status(mesh.address, port) == 200 for port in ports.values()), "traffic can flow")

    with Traffic(mesh.address, ports) as counts:
        give_up = time.monotonic() + SECONDS
        while time.monotonic() < give_up:
            victim = dice.choice([(server.part,), (node.part,), (server.part, node.part)])
            _kill_and_restart(victim, dice)
            # Sometimes it is killed again while it is still coming up.
            if dice.random() < 0.7:
                _until_well(mesh, server, node)
        _until_well(mesh, server, node)
        until(lambda: serving(node) == {one.service for one in repository.members}, "every sidecar is served")
    assert not counts.wrong, f"seed {SEED}"
    assert counts.good > SECONDS

    assert mesh.ask("audit", "verify", "--server-socket", str(server.admin))["verified"] is True
    _everything_issued_was_announced(mesh)


def _kill_and_restart(victims: tuple[Part, ...], dice: random.Random) -> None:
    time.sleep(dice.uniform(0.0, 2.0))  # the random point
    for part in victims:
        part.kill()
    for part in victims:
        part.start()


def _until_well(mesh: Mesh, server: Server, node: Node) -> None:
    mesh.until_up(server.part, server.ready)
    mesh.until_up(node.part, node.ready)


def _everything_issued_was_announced(mesh: Mesh) -> None:
    announced: dict[int, int] = {}
    for entry in audit_entries(mesh):
        for order in entry.orders:
            assert int(order.serial, 16) not in announced, "a serial number was announced twice"
            announced[int(order.serial, 16)] = entry.index
        for serial in entry.issued:
            assert announced[int(serial, 16)] < entry.index, "signed before it was announced"
    recorded = serials_recorded(mesh.server)
    assert len(recorded) == len(set(recorded)), "a serial number was given twice"
    assert set(recorded) <= set(announced), "signed without an intent"
    assert recorded


def test_a_killed_sidecar_comes_back_and_serves(mesh: Mesh) -> None:
    repository = Repository(mesh.members("web", "pay", web=["pay"]))
    mesh.start_server()
    mesh.apply(repository)
    node = mesh.join()
    mesh.start_sidecars(*repository.members)
    port = repository["web"].listen("pay")
    until(lambda: status(mesh.address, port) == 200, "web reaches pay")
    for name in ("pay", "web"):
        node.sidecars[name].kill()
        until(lambda: status(mesh.address, port) != 200, f"{name} is gone")
        node.sidecars[name].start()
        until(lambda: status(mesh.address, port) == 200, f"{name} is back")
    until(mesh.server.all_held, "both hold what they should")
