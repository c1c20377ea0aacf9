"""The demo, run as a person would, and ended in every way a person would end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

pytestmark = [pytest.mark.scenario, pytest.mark.xdist_group("scenarios"), pytest.mark.timeout(240)]

COMMAND = (sys.executable, "-m", "trustplane.cli", "demo")
LONGEST_SECONDS = 120.0


@pytest.fixture
def corner() -> Iterator[Path]:
    """Where this demo puts its directory: a short path that the demo's own users can reach."""
    folder = Path(tempfile.mkdtemp(prefix="tpd-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def demo(corner: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(corner), "TMPDIR": str(corner)}
    with subprocess.Popen(
        [*COMMAND, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(stream: IO[str] | None, text: str) -> None:
    assert stream is not None
    deadline = time.monotonic() + LONGEST_SECONDS
    seen = ""
    while text not in seen:
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"never said {text!r}:\n{seen}"
        line = stream.readline()
        assert line, f"ended before it said {text!r}:\n{seen}"
        seen += line


def _speak_of(corner: Path) -> list[int]:
    """Living processes whose command line or working directory is inside the demo's corner."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str(corner) in f"{(entry / 'cmdline').read_text()} {(entry / 'cwd').readlink()}":
                    found.append(int(entry.name))
    return found


def _gone(corner: Path) -> bool:
    deadline = time.monotonic() + LONGEST_SECONDS
    while _speak_of(corner):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_headless_it_ends_with_one_object_of_measured_numbers_and_leaves_nothing(corner: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--seconds", "25", "--leaf-lifetime", "20s", "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(corner), "TMPDIR": str(corner)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, found["failed"], found["failures"]) == (0, 0, []), done.stderr
    assert found["all_mtls"] is True
    assert (found["services"], found["sidecars"]) == (5, 5)
    assert min(found["renewals_per_service"].values()) >= 1
    assert found["renewals"] == sum(found["renewals_per_service"].values())
    assert found["refused_as_expected"] > 0
    assert found["edges"].keys() == {
        "web -> checkout",
        "checkout -> payments",
        "payments -> ledger",
        "reporting -> ledger",
    }
    assert len(done.stdout.splitlines()) == 1
    assert list(corner.iterdir()) == []
    assert _gone(corner)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_told_to_stop_it_finishes_what_is_under_way_and_leaves_nothing(corner: Path, number: signal.Signals) -> None:
    with demo(corner) as process:
        _wait_for(process.stdout, "refused as it should be")
        process.send_signal(number)
        said, _ = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 0, said
    assert "0 failed" in said
    assert list(corner.iterdir()) == []
    assert _gone(corner)


def test_stopped_while_it_comes_up_it_leaves_nothing(corner: Path) -> None:
    with demo(corner) as process:
        _wait_for(process.stdout, "server is up")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 1
    assert list(corner.iterdir()) == []
    assert _gone(corner)


def test_killed_it_takes_every_process_along_and_the_next_demo_removes_its_directory(corner: Path) -> None:
    with demo(corner) as process:
        _wait_for(process.stdout, "refused as it should be")
        process.kill()
        process.wait()
    assert _gone(corner)
    [left] = corner.iterdir()
    with demo(corner) as process:
        _wait_for(process.stdout, "server is up")
        assert not left.exists()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LONGEST_SECONDS)
    assert list(corner.iterdir()) == []
