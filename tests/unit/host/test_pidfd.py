from __future__ import annotations

import errno
import os
import socket
import subprocess

import pytest

from trustplane.fault import Refused
from trustplane.host.peers import peer_of
from trustplane.host.pidfd import SO_PEERPIDFD, PidFd, of_number, of_peer

pytestmark = pytest.mark.network


class OldKernel:
    """A connection on a kernel before 6.5, which knows the peer's number only."""

    def __init__(self, connection: socket.socket, error: int) -> None:
        self.connection = connection
        self.error = error

    def getsockopt(self, level: int, option: int, *size: int) -> int | bytes:
        if option == SO_PEERPIDFD:
            raise OSError(self.error, os.strerror(self.error))
        return self.connection.getsockopt(level, option, *size)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "1000"])


def test_a_pin_says_whether_its_process_lives_also_before_it_is_reaped() -> None:
    child = sleeper()
    pinned = of_number(child.pid)
    assert pinned.alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped
    assert not pinned.alive()
    child.wait()
    assert not pinned.alive()
    pinned.close()


def test_nobody_can_be_pinned_under_a_free_number() -> None:
    child = sleeper()
    child.kill()
    child.wait()
    with pytest.raises(Refused) as refusal:
        of_number(child.pid)
    assert refusal.value.code == "caller-gone"


@pytest.mark.parametrize("number", [0, -1, 2**31])
def test_numbers_that_are_no_processs_are_refused(number: int) -> None:
    with pytest.raises(Refused):
        of_number(number)


def test_the_kernel_pins_the_process_that_connected() -> None:
    left, right = socket.socketpair()
    with left, right:
        pinned = of_peer(left, 0)  # the number is not used
        assert pinned.alive()
        pinned.close()


@pytest.mark.parametrize("error", [errno.ENOPROTOOPT, errno.EOPNOTSUPP])
def test_an_old_kernels_peer_is_pinned_by_number(error: int) -> None:
    left, right = socket.socketpair()
    with left, right:
        peer = peer_of(OldKernel(left, error))  # type: ignore[arg-type]  # of a socket it has what is asked of it
        assert peer.pid == os.getpid()
        assert peer.alive()
        peer.pidfd.close()


def test_another_error_is_not_taken_for_an_old_kernel() -> None:
    left, right = socket.socketpair()
    with left, right, pytest.raises(Refused):
        of_peer(OldKernel(left, errno.ESRCH), os.getpid())  # type: ignore[arg-type]  # as above


def test_a_copy_outlives_the_original_and_is_not_inherited() -> None:
    pinned = of_number(os.getpid())
    copy = pinned.copy()
    pinned.close()
    assert copy.alive()
    assert not os.get_inheritable(copy.fileno())
    copy.close()


def test_a_closed_pin_is_nobody_even_when_its_number_is_reused() -> None:
    pinned = PidFd(os.pidfd_open(os.getpid()))
    number = pinned.fileno()
    pinned.close()
    pinned.close()
    successor = os.pidfd_open(os.getpid())
    assert successor == number
    assert not pinned.alive()
    with pytest.raises(OSError, match="Bad file"):
        pinned.copy()
    os.close(successor)
