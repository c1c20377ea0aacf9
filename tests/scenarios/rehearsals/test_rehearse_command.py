"""`trustplane rehearse` as an operator runs it: what it cannot play it says, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.kit.debian import tool
from tests.kit.leaks import still_served
from tests.kit.mesh import TRUSTPLANE, until

pytestmark = pytest.mark.scenario


@contextlib.contextmanager
def rehearsing(place: Path, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with (
        (place / "said").open("w") as said,
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, "TMPDIR": str(place)}
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def nothing_is_left(place: Path) -> bool:
    return not still_served(place) and [one.name for one in place.iterdir()] == ["said"]


def sockets(place: Path) -> set[str]:
    return {one.name for one in place.rglob("*.sock")}


def test_where_faults_may_not_be_put_in_it_says_so_and_what_would_help(socket_dir: Path) -> None:
    words = [
        tool("setpriv"),
        "--bounding-set",
        "-sys_admin",
        *TRUSTPLANE,
        "rehearse",
        "full-disk",
        "partition-one",
        "--json",
    ]
    with rehearsing(socket_dir, words) as process:
        output, _ = process.communicate(timeout=60)
    report = json.loads(output)
    assert (process.returncode, report["cannot_run"], report["passed"]) == (1, 2, 0)
    for row in report["rehearsals"]:
        assert row["verdict"] == "cannot run here"
        assert "SYS_ADMIN" in row["ended_by"]["fix"]
    assert nothing_is_left(socket_dir)


def test_ctrl_c_ends_every_process_and_leaves_no_file(socket_dir: Path) -> None:
    with rehearsing(socket_dir, [*TRUSTPLANE, "rehearse", "agent-paused", "expired-leaf"]) as process:
        until(lambda: {"node-0.sock", "ads.sock"} <= sockets(socket_dir), "server, agent and Envoys are coming up")
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 130
    assert nothing_is_left(socket_dir)
