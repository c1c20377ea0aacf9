"""`trustplane rotate rehearse` as an operator runs it: a root is changed in a copy that is gone afterwards."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.kit.mesh import TRUSTPLANE, until
from tests.scenarios.rehearsals.test_rehearse_command import nothing_is_left, rehearsing, sockets

pytestmark = pytest.mark.scenario
REHEARSE = [*TRUSTPLANE, "rotate", "rehearse", "--services", "2"]
UP_WITHIN = 180.0
LONG = pytest.mark.skipif(
    "TRUSTPLANE_REHEARSE_ENDINGS" not in os.environ, reason="a mesh for each: TRUSTPLANE_REHEARSE_ENDINGS=1 runs them"
)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_root_is_changed_in_a_copy_of_the_example_and_nothing_is_left(socket_dir: Path) -> None:
    with rehearsing(socket_dir, [*REHEARSE, "--json"]) as process:
        output, _ = process.communicate(timeout=380)
    report = json.loads(output)
    assert (process.returncode, report["passed"], report["waiting"]) == (0, True, []), report
    order = ["prepare", "publish", "verify", "switch", "drain", "retire", "verify-again"]
    seen = [one["phase"] for one in report["phases"]]
    assert seen == [one for one in order if one in seen], "each once, in the order of the machine"
    assert {"switch", "drain"} <= set(seen), "those that take time are always seen"
    assert all(one["failed"] == 0 and one["answered"] > 0 for one in report["calls"])
    assert sum(one["answered"] for one in report["phases"]) > 0
    assert nothing_is_left(socket_dir)


@LONG
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_finds_nothing_left(socket_dir: Path, number: signal.Signals) -> None:
    with rehearsing(socket_dir, REHEARSE) as process:
        until(lambda: {"server.sock", "node-0.sock"} <= sockets(socket_dir), "it is coming up", UP_WITHIN)
        process.send_signal(number)
        process.wait(60)
    assert process.returncode == 130
    assert nothing_is_left(socket_dir)


@LONG
@pytest.mark.timeout(400)
def test_killed_it_takes_its_processes_along_and_the_next_one_its_files(socket_dir: Path) -> None:
    with rehearsing(socket_dir, REHEARSE) as process:
        until(lambda: {"server.sock", "node-0.sock"} <= sockets(socket_dir), "it is coming up", UP_WITHIN)
        process.kill()
        process.wait(60)
    (left,) = [one for one in socket_dir.iterdir() if one.name != "said"]
    with rehearsing(socket_dir, REHEARSE) as process:
        until(lambda: not left.exists(), "the next one removes what it left", UP_WITHIN)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    until(lambda: nothing_is_left(socket_dir), "nothing is left")
