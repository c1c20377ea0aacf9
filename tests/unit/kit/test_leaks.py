from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from tests.kit.leaks import left_running, still_served


def test_a_process_left_running_is_seen_also_when_it_detached() -> None:
    mark = f"of-this-test-{os.getpid()}"
    started = subprocess.run(
        ["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"],
        env={**os.environ, "TRUSTPLANE_TEST_SESSION": mark},
        capture_output=True,
        check=True,
    )
    detached = int(started.stdout)
    try:
        while not (seen := left_running(mark, patience_seconds=0)):
            time.sleep(0.01)  # it is still becoming `sleep`; the test's time limit bounds this
        assert [line.partition(":")[0] for line in seen] == [str(detached)]
    finally:
        os.kill(detached, 9)
    assert left_running(mark) == []


def test_a_socket_is_served_only_while_someone_listens(socket_dir: Path) -> None:
    path = socket_dir / "a.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        assert still_served(socket_dir, patience_seconds=0) == [str(path)]
    assert still_served(socket_dir) == []
