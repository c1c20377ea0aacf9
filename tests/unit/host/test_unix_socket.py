from __future__ import annotations

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.unix_socket import MAX_PATH_BYTES, PRIVATE, ListeningSocket, listen

pytestmark = pytest.mark.network


def refused(path: Path) -> str:
    with pytest.raises(Refused) as refusal:
        listen(path)
    return refusal.value.code


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def leave_a_dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def test_it_listens_under_the_mode_asked_for_in_a_directory_all_may_enter(socket_dir: Path) -> None:
    path = socket_dir / "run" / "api.sock"
    private = listen(path, PRIVATE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private.close()
    public = listen(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert connects(path)
    public.close()
    assert not path.exists()


def test_a_dead_processs_socket_is_replaced(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"
    leave_a_dead_socket(path)
    replaced = listen(path)
    assert connects(path)
    replaced.close()


def test_a_living_processs_socket_is_not(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"
    living = listen(path)
    assert refused(path) == "socket-in-use"
    assert connects(path)
    living.close()


def test_a_living_process_too_busy_to_accept_is_not_dead(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = []
        while True:  # fill its backlog
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            waiting.append(client)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break
        assert refused(path) == "socket-in-use"
        for client in waiting:
            client.close()


def test_of_two_that_start_together_one_wins(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"

    def start(_: int) -> ListeningSocket | str:
        try:
            return listen(path)
        except Refused as refusal:
            return refusal.code

    for _ in range(20):
        leave_a_dead_socket(path)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(start, range(4)))
        (winner,) = (one for one in found if isinstance(one, ListeningSocket))
        assert found.count("socket-in-use") == 3
        assert connects(path)
        winner.close()


def test_a_file_that_is_no_socket_is_left_alone(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"
    path.write_text("precious")
    assert refused(path) == "socket-path-taken"
    assert path.read_text() == "precious"


def test_a_link_is_not_followed(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"
    path.symlink_to(socket_dir / "elsewhere.sock")
    assert refused(path) == "socket-path-taken"


def test_the_longest_path_works_and_one_byte_more_is_refused_with_the_fix(socket_dir: Path) -> None:
    room = MAX_PATH_BYTES - len(os.fsencode(socket_dir)) - 1
    with pytest.raises(Refused) as refusal:
        listen(socket_dir / ("x" * (room + 1)))
    assert refusal.value.code == "socket-path-too-long"
    assert "shorter path" in refusal.value.finding.fix
    longest = socket_dir / ("x" * room)
    listening = listen(longest)
    assert connects(longest)
    listening.close()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_directory_others_may_rename_in_is_refused(socket_dir: Path, mode: int) -> None:
    open_directory = socket_dir / "open"
    open_directory.mkdir()
    open_directory.chmod(mode)
    assert refused(open_directory / "api.sock") == "socket-directory-open"


def test_a_sticky_directory_is_safe(socket_dir: Path) -> None:
    sticky = socket_dir / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    listening = listen(sticky / "api.sock")
    assert connects(listening.path)
    listening.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away")
def test_a_directory_of_another_user_is_refused(socket_dir: Path) -> None:
    theirs = socket_dir / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    assert refused(theirs / "api.sock") == "socket-directory-open"


def test_a_directory_that_cannot_be_made_is_refused(socket_dir: Path) -> None:
    (socket_dir / "file").write_text("")
    assert refused(socket_dir / "file" / "api.sock") == "socket-not-made"


def test_closing_leaves_a_successors_socket_alone(socket_dir: Path) -> None:
    path = socket_dir / "api.sock"
    first = listen(path)
    path.unlink()
    second = listen(path)
    first.close()
    assert connects(path)
    second.close()
    assert not path.exists()
