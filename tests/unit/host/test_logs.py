"""A log line is one JSON object; one that cannot be written costs nothing but itself."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from trustplane.host.logs import Lossy

PROGRAM = """
import structlog
from trustplane.host.logs import log_to_stderr
log_to_stderr()
structlog.get_logger("x").warning("refused", what="a\\nb \\x1b[31m", code="x")
print("went on")
"""


def test_a_line_is_one_object_whatever_it_says() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    (line,) = ran.stderr.splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], said["what"]) == ("refused", "warning", "a\nb \x1b[31m")
    assert said["timestamp"].endswith("Z")


def test_a_full_disk_under_the_log_stops_no_work() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=full, text=True, timeout=60, check=False
        )
    assert ran.stdout == "went on\n"


class Failing(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        del text
        raise self._error

    def flush(self) -> None:
        raise self._error


@pytest.mark.parametrize("error", [OSError(28, "no space"), BrokenPipeError(), ValueError("closed")])
def test_a_stream_that_fails_is_written_to_all_the_same(error: Exception) -> None:
    stream = Lossy(Failing(error))
    assert stream.write("x") == 0
    stream.flush()


def test_a_stream_that_works_gets_everything() -> None:
    kept = io.StringIO()
    assert Lossy(kept).write("x\n") == 2
    assert kept.getvalue() == "x\n"
