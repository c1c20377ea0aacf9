"""The runbook for a partner whose bundle is not taken: two servers, of which one is away for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.mesh import Mesh, until
from tests.kit.mesh_repository import Repository
from tests.kit.runbook_play import Play
from tests.kit.two_meshes import PARTNER, known, relation, started

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
UNREACHABLE = "endpoint-unreachable"


@pytest.fixture
def both(socket_dir: Path) -> Iterator[tuple[Mesh, Mesh]]:
    folders = (socket_dir / "a", socket_dir / "b")
    for one in folders:
        one.mkdir()
    with Mesh(folders[0]) as ours, Mesh(folders[1], PARTNER, "billing") as theirs:
        yield ours, theirs
        sys.stderr.write(ours.last_words() + theirs.last_words())


def test_federation_failing(both: tuple[Mesh, Mesh]) -> None:
    ours, theirs = both
    started(ours)
    terms = relation(started(theirs), PARTNER, "/ns/billing/")
    first = {f"federation/{PARTNER}.json": theirs.bundle().read_text()}
    ours.apply(Repository(ours.members("pay"), more=terms, further=first))
    until(lambda: known(ours, PARTNER).asked_at and not known(ours, PARTNER).failure, "our server fetched theirs")
    environment = {"TRUSTPLANE_SERVER_SOCKET": str(ours.server.admin)}
    refresh = "trustplane federation refresh <TRUST-DOMAIN>"
    with Play("federation-failing", environment, {"TRUST-DOMAIN": PARTNER}, {}) as play:
        theirs.server.part.kill()
        assert UNREACHABLE in play.types("What is it", {refresh: 1})[refresh]
        assert UNREACHABLE in play.types_one("trustplane federation status", ends=1)
        play.by_hand("It is theirs to repair", theirs.server.part.start)
        theirs.until_up(theirs.server.part, theirs.server.ready)
        play.types_one(refresh)
        play.is_over(lambda said: UNREACHABLE not in said[0])
