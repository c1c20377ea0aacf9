"""What holds for every test: bounded, repeatable properties; short socket paths; time limits; nothing left behind."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import hypothesis
import pytest

from tests.kit.leaks import left_running, mark_children, still_served

SCENARIOS = Path(__file__).parent / "scenarios"
# Tests of several processes, real Envoys and the machine's clock: one that fails is tried once more, and the summary
# names it. TRUSTPLANE_RERUNS=0 looks for such tests; no other test is ever tried twice.
RERUN = (
    SCENARIOS,
    SCENARIOS.parent / "transcripts/test_demo.py",
    SCENARIOS.parent / "conformance/workload_api/test_processes.py",
)
RERUNS = int(os.environ.get("TRUSTPLANE_RERUNS", "1"))
RERUN_LINES = 60  # of what a test said that is tried again
TEST_TIMEOUT = timedelta(minutes=2)
LONGEST_ID = 60
# sun_path holds 108 bytes; eight are kept for whoever appends a suffix.
SOCKET_PATH_BYTES = 100

# A slow machine must not fail a property, so no deadline and no health check on speed. `derandomize` makes a failure
# in CI the same failure on a desk; `HYPOTHESIS_PROFILE=search` looks further, with new examples every time.
hypothesis.settings.register_profile(
    "bounded",
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "search",
    max_examples=5000,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "bounded"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long texts and bytes are no names: certificates made for a run differ between workers, which must agree."""
    return argname if isinstance(val, (bytes, str)) and len(val) > LONGEST_ID else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scenarios are marked as such; all other tests get a short time limit unless they set one."""
    for item in items:
        if item.get_closest_marker("long") and not os.environ.get("TRUSTPLANE_LONG"):
            item.add_marker(pytest.mark.skip(reason="takes a minute or more: make scenarios runs it"))
        if RERUNS and any(item.path.is_relative_to(place) for place in RERUN):
            item.add_marker(pytest.mark.flaky(reruns=RERUNS))
        if SCENARIOS in item.path.parents:
            item.add_marker(pytest.mark.scenario)
        elif item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT.total_seconds()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Of a test that was tried again it is told how it failed: it is to be mended all the same."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"tried again: {report.nodeid}")
        terminalreporter.write_line("\n".join(report.longreprtext.splitlines()[-RERUN_LINES:]))


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_running() -> Iterator[None]:
    mark = mark_children()
    yield
    left = left_running(mark)
    assert not left, "the tests left these processes running:\n" + "\n".join(left)


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A folder whose path is short enough for sockets; at the end nobody may listen in it any more."""
    # Not under $TMPDIR, which may be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="tp-", dir="/tmp"))
    try:
        yield folder
        served = still_served(folder)
        longest = max((len(os.fsencode(path)) for path in folder.rglob("*") if path.is_socket()), default=0)
    finally:
        shutil.rmtree(folder)
    assert not served, f"these sockets are still listened on: {', '.join(served)}"
    assert longest <= SOCKET_PATH_BYTES, (
        f"a socket path of {longest} bytes would not work under a longer temporary folder"
    )
