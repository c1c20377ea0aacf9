"""Steps of outages: a mesh whose leaves live for seconds, and what became of them.

`TRUSTPLANE_OUTAGE_SCALE` makes every time that many times longer, and `TRUSTPLANE_OUTAGE_AWAY` says for how many of 24
seconds of a leaf's life something is away: with 5 and 16 a leaf lives for two minutes and an outage takes 80 s. Without
them a leaf lives for a minute and an outage takes 15 s, so that half a minute is left for a slow machine to start a
server in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_repository import Repository
from tests.kit.mesh_traffic import Traffic

SCALE = float(os.environ.get("TRUSTPLANE_OUTAGE_SCALE", "2.5"))
LEAF = timedelta(seconds=24) * SCALE
AWAY = timedelta(seconds=float(os.environ.get("TRUSTPLANE_OUTAGE_AWAY", "6"))) * SCALE
# Renewed so early, a leaf has four fifths of its life left whenever an outage begins, and is due before it ends.
EARLY = "10%-20%"
PATIENCE_SECONDS = 40 * SCALE
REQUESTS_A_SECOND = 200


def time_limit(outages: int = 1) -> float:
    """Seconds for a test that waits for so many of them."""
    return 120 + outages * AWAY.total_seconds() + 2 * PATIENCE_SECONDS


def served_mesh(
    mesh: Mesh,
    *server_options: str,
    lifetime: timedelta = LEAF,
    renew: str = "50%-75%",
    environment: Mapping[str, str] | None = None,
) -> tuple[Repository, Node]:
    """A server, an agent (in this environment), and web calling pay through sidecars."""
    members = mesh.members("web", "pay", web=["pay"])
    repository = Repository(members, lifetime=f"{lifetime.total_seconds():.0f}s", renew=renew)
    mesh.start_server(*server_options)
    mesh.apply(repository)
    node = mesh.join(environment=environment)
    mesh.start_sidecars(*repository.members)
    port = repository["web"].listen("pay")
    until(lambda: mesh.status(node, port) == 200, "web reaches pay")
    return repository, node


def traffic(mesh: Mesh, repository: Repository, node: Node | None = None) -> Traffic:
    """web calls pay, as often as a busy service does."""
    ports = {"pay": repository["web"].listen("pay")}
    return Traffic((node or mesh.node).loopback, ports, callers=4, a_second=REQUESTS_A_SECOND)


def let_pass(duration: timedelta) -> None:
    """What is tested is that nothing happens for so long; there is no condition to wait for."""
    time.sleep(duration.total_seconds())


def serials(node: Node) -> set[str | None]:
    return {one.serial for one in node.status().entries}


def renewed(node: Node, before: set[str | None]) -> bool:
    return None not in serials(node) and serials(node).isdisjoint(before)


def until_renewed(node: Node, before: set[str | None]) -> None:
    until(lambda: renewed(node, before), f"every leaf of {node.name} is renewed", within=PATIENCE_SECONDS)


def overdue(node: Node) -> bool:
    """Every leaf should have been renewed by now, and was not."""
    return all(one.renew_at is not None and one.renew_at < now() for one in node.status().entries)


def about_to_renew(node: Node) -> bool:
    soon = now() + timedelta(seconds=1)
    return any(one.renew_at is not None and now() < one.renew_at < soon for one in node.status().entries)


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the processes under test have the machine's clock
