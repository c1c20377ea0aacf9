"""A root is changed with another organisation watching: it waits for their signed word, and calls across never fail.

In the default run until the new root signs; with TRUSTPLANE_PARTNER_ROTATIONS set, so many whole changes of each side's
root, and with random sleeps of the other side's agent.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.kit.mesh import Mesh, Node, until
from tests.kit.mesh_traffic import Traffic, status
from tests.kit.two_meshes import PARTNER, BothWays, calling_each_other, known
from trustplane.cli import admin
from trustplane.wire.http_rotation_shapes import BundleStatusShape, PartnerProbeShape, RotationStatusShape

ROTATIONS = int(os.environ.get("TRUSTPLANE_PARTNER_ROTATIONS", "0"))
SEED = int(os.environ.get("TRUSTPLANE_CHAOS_SEED", "1"))
LIFE = "60s"  # longer than their agent sleeps
CHANGED_WITHIN = 300.0


def rotation(mesh: Mesh) -> RotationStatusShape:
    return admin.server(mesh.server.admin).get("/v1/rotation", RotationStatusShape)


def probes(mesh: Mesh) -> tuple[PartnerProbeShape, ...]:
    return admin.server(mesh.server.admin).get("/v1/bundle-status", BundleStatusShape).partner_probes


def phase(mesh: Mesh) -> str:
    found = rotation(mesh).rotation
    return found.phase if found else ""


def begin(mesh: Mesh) -> None:
    mesh.ask("rotate", "start", "--reason", "yearly rotation", "--server-socket", str(mesh.server.admin))


@contextlib.contextmanager
def asleep(node: Node) -> Iterator[None]:
    os.kill(node.part.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.part.pid, signal.SIGCONT)


@contextlib.contextmanager
def calls_across(both: BothWays) -> Iterator[None]:
    """Both ways without end; none may fail."""
    ours, theirs = both.ours.address, both.theirs.address
    until(lambda: status(theirs, both.api.app + 5) == 200, "their api reaches our pay")
    until(lambda: status(ours, both.pay.app + 5) == 200, "our pay reaches their api")
    with Traffic(theirs, {"pay": both.api.app + 5}) as inward, Traffic(ours, {"api": both.pay.app + 5}) as outward:
        yield
    assert not inward.wrong
    assert not outward.wrong
    assert min(inward.good, outward.good) > 0


def believed_by_statement(both: BothWays) -> None:
    """They were asked when neither had a relation yet; now both have, and their refresh hint is short."""
    for mesh, other in ((both.ours, both.theirs), (both.theirs, both.ours)):
        asked = mesh.run("federation", "refresh", other.domain, "--server-socket", str(mesh.server.admin))
        assert (asked.returncode, known(mesh, other.domain).believed_by) == (0, "statement"), asked.stdout


@pytest.mark.timeout(300)
def test_a_change_of_root_waits_for_the_partners_signed_word(ours: Mesh, theirs: Mesh) -> None:
    both = calling_each_other(ours, theirs, LIFE)
    believed_by_statement(both)
    with calls_across(both):
        with asleep(theirs.node):
            begin(ours)
            until(lambda: waited_for(ours) == {f"domain {PARTNER}"}, "only the partner is waited for")
            until(lambda: "participants are behind" in shown(ours), "their server says how many are behind")
            until(lambda: "refuses the new root" in shown(ours), "their api is asked too, and does not know the root")
            told = ours.run("rotate", "status", "--server-socket", str(ours.server.admin)).stdout
            assert f"ask the operators of {PARTNER}" in told
            assert phase(ours) == "publish", "nothing goes on by time"
        until(lambda: phase(ours) == "drain", "once their agent is awake it goes on by itself", CHANGED_WITHIN)
        assert [(one.service, one.outcome) for one in probes(ours)] == [(str(both.api.spiffe_id), "let in")]


@pytest.mark.skipif(not ROTATIONS, reason="takes minutes: TRUSTPLANE_PARTNER_ROTATIONS=2 runs it")
@pytest.mark.timeout(600 + 400 * ROTATIONS)
def test_both_roots_are_changed_again_and_again(ours: Mesh, theirs: Mesh) -> None:
    chance = random.Random(SEED)
    both = calling_each_other(ours, theirs, LIFE)
    believed_by_statement(both)
    with calls_across(both):
        for _ in range(ROTATIONS):
            for changing, watching in ((ours, theirs), (theirs, ours)):
                begin(changing)
                for _ in range(3):
                    threading.Event().wait(chance.uniform(0.1, 5.0))
                    with asleep(watching.node):
                        threading.Event().wait(chance.uniform(0.1, 10.0))
                until(lambda changing=changing: phase(changing) == "done", "the change is done", CHANGED_WITHIN)  # type: ignore[misc] # bound at once


def waited_for(mesh: Mesh) -> set[str | None]:
    return {one.participant for one in rotation(mesh).waiting}


def shown(mesh: Mesh) -> str:
    (one,) = rotation(mesh).partners
    return one.shows
