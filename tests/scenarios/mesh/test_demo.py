"""The demo as anyone would run it: everything works, renewals happen, and however it ends nothing stays behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.leaks import still_served
from tests.kit.mesh import TRUSTPLANE, until

# What everyone's run sees of the demo is in tests/transcripts/test_demo.py; here it may go on for as long as one wants.
pytestmark = pytest.mark.long
SECONDS = float(os.environ.get("TRUSTPLANE_DEMO_SECONDS", "20"))
UP = "first order paid"
WITHIN_SECONDS = 120
KEYS = {
    "requests", "failed", "renewals", "rps", "services", "sidecars", "seconds_to_first_request", "all_mtls",
}  # fmt: skip


@pytest.fixture
def place(socket_dir: Path) -> Path:
    """Where the demo puts everything: its services' own users must get through."""
    socket_dir.chmod(0o711)
    return socket_dir


@contextlib.contextmanager
def demo(place: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    said = (place / "said").open("w")
    with (
        said,
        subprocess.Popen(
            [*TRUSTPLANE, "demo", "--json", "--leaf-lifetime", "20s", *options],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env={**os.environ, "TMPDIR": str(place)},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def said(place: Path) -> str:
    return (place / "said").read_text()


def processes_of(place: Path) -> list[str]:
    """Processes that were started with something in that folder, or stand in it."""
    found = []
    for one in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if one.name.isdigit() and int(one.name) != os.getpid():
                words = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(place) in words or str(place) in str((one / "cwd").readlink()):
                    found.append(f"{one.name}: {words}")
    return found


def left_in(place: Path) -> list[str]:
    return [one.name for one in place.iterdir() if one.name != "said"]


def assert_nothing_runs(place: Path) -> None:
    until(lambda: not processes_of(place), f"no process is left: {processes_of(place)}")
    assert not still_served(place)


def test_headless_it_reports_what_it_measured_and_nothing_failed(place: Path) -> None:
    with demo(place, "--seconds", str(SECONDS)) as process:
        output, _ = process.communicate(timeout=WITHIN_SECONDS + SECONDS)
    assert process.returncode == 0, said(place)
    report = json.loads(output.splitlines()[-1])
    assert report.keys() >= KEYS
    assert (report["failed"], report["services"], report["sidecars"]) == (0, 5, 5)
    assert report["all_mtls"] is True
    assert report["requests"] > SECONDS
    # A leaf of 20 s is renewed after 15 s at the latest.
    least = int(SECONDS // 20)
    assert all(renewals >= least for renewals in report["renewals_per_service"].values()), report
    assert_nothing_runs(place)
    assert not left_in(place)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_takes_everything_with_it(place: Path, number: signal.Signals) -> None:
    with demo(place) as process:
        until(lambda: UP in said(place), f"the demo runs: {said(place)}", WITHIN_SECONDS)
        process.send_signal(number)
        output, _ = process.communicate(timeout=WITHIN_SECONDS)
    assert json.loads(output.splitlines()[-1])["failed"] == 0
    assert_nothing_runs(place)
    assert not left_in(place)


def test_stopped_while_it_starts_it_takes_everything_with_it(place: Path) -> None:
    with demo(place) as process:
        until(lambda: "server is up" in said(place), f"the demo starts: {said(place)}", WITHIN_SECONDS)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WITHIN_SECONDS)
    assert_nothing_runs(place)
    assert not left_in(place)


def test_killed_it_leaves_no_process_and_the_next_one_removes_its_files(place: Path) -> None:
    with demo(place) as process:
        until(lambda: UP in said(place), f"the demo runs: {said(place)}", WITHIN_SECONDS)
        process.kill()
        process.communicate()
    assert_nothing_runs(place)
    assert left_in(place), "kill -9 leaves no chance to remove files"
    with demo(place, "--seconds", "1") as process:
        process.communicate(timeout=WITHIN_SECONDS)
    assert process.returncode == 0, said(place)
    assert not left_in(place)
