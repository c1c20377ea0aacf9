"""Hosts on a switch of their own: they reach each other until a link is cut, and nothing of them is left behind."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kit.mesh import until
from tests.kit.netns import network
from trustplane.fault import Broken, Refused
from trustplane.host.network_namespaces import Host, Namespace, Network

pytestmark = [pytest.mark.scenario, pytest.mark.network]

PORT = 7000
SOON_SECONDS = 0.3


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as one:
        yield one


@contextlib.contextmanager
def echo(host: Host) -> Iterator[None]:
    """Each connection gets back what it says."""
    with host.entered():
        listener = socket.create_server((host.address, PORT))

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while received := connection.recv(100):
                connection.sendall(received)

    def serve() -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def connected(source: Host, target: Host) -> socket.socket:
    with source.entered():
        connection = socket.create_connection((target.address, PORT), timeout=10)
    connection.settimeout(SOON_SECONDS)
    return connection


def answered(connection: socket.socket, word: bytes) -> bool:
    """What is lost on the way is sent again by the kernel, so that a word may also come late."""
    connection.sendall(word)
    with contextlib.suppress(TimeoutError):
        return word in connection.recv(100)
    return False


def hears(connection: socket.socket) -> bool:
    with contextlib.suppress(TimeoutError):
        return connection.recv(100) != b""
    return False


def reaches(source: Host, target: Host) -> bool:
    with contextlib.suppress(OSError), source.entered():
        socket.create_connection((target.address, PORT), timeout=SOON_SECONDS).close()
        return True
    return False


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_hosts_reach_each_other_with_addresses_of_their_own(net: Network) -> None:
    one, other = net.host("one"), net.host("other")
    assert one.address != other.address
    with echo(other), echo(one):
        until(lambda: reaches(one, other), "the switch forwards")
        until(lambda: reaches(other, one), "both ways")
        assert reaches(one, one)


def test_a_cut_is_silent_and_what_was_under_way_goes_on_when_it_heals(net: Network) -> None:
    one, other = net.host("one"), net.host("other")
    with echo(other), connected(one, other) as connection:
        until(lambda: answered(connection, b"before"), "it answers")
        one.cut()
        assert not answered(connection, b"meanwhile")
        assert not reaches(one, other)
        one.heal()
        until(lambda: hears(connection), "what was sent meanwhile arrives after all")
        until(lambda: reaches(one, other), "new connections too")


def test_two_hosts_are_parted_while_a_third_reaches_both(net: Network) -> None:
    one, other, third = net.host("one"), net.host("other"), net.host("third")
    with echo(one), echo(other):
        until(lambda: reaches(one, other), "the switch forwards")
        net.sever(one, other)
        assert not reaches(one, other)
        assert not reaches(other, one)
        until(lambda: reaches(third, one), "the third still reaches one")
        until(lambda: reaches(third, other), "and the other")
        net.mend(one, other)
        until(lambda: reaches(one, other), "they reach each other again")
        until(lambda: reaches(other, one), "both ways")


def test_a_process_run_in_a_host_has_its_network_and_keeps_its_number(net: Network) -> None:
    host = net.host("one")
    program = "import os, socket; print(os.getpid(), sorted(name for _, name in socket.if_nameindex()))"
    with subprocess.Popen(host.command([sys.executable, "-c", program]), stdout=subprocess.PIPE, text=True) as child:
        said = child.communicate()[0]
    assert said == f"{child.pid} ['eth0', 'lo']\n"


def test_the_machines_own_network_and_other_threads_see_nothing_of_it(net: Network) -> None:
    before = interfaces()
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(interfaces).result()  # its thread is made out here
        with net.host("one").entered():
            assert "eth0" in interfaces()
            assert elsewhere.submit(interfaces).result() == before
    assert interfaces() == before


def test_a_process_that_is_killed_leaves_no_namespace_behind(net: Network) -> None:
    """Seen from a host of ours whose cable ends in the killed one's namespace: the cable goes with the namespace."""
    watcher = Namespace()
    with contextlib.closing(watcher), _holder() as (holder, theirs):
        watcher.ip(f"link add here type veth peer name there netns {theirs}")
        assert "here" in _interfaces_of(watcher)
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
        until(lambda: "here" not in _interfaces_of(watcher), "the namespace and the cable into it are gone")


_HOLD = """
import sys
from trustplane.host.network_namespaces import Network
with Network() as network:
    print(network.host("one").path, flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def _holder() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


def _interfaces_of(namespace: Namespace) -> set[str]:
    with namespace.entered():
        return interfaces()


def test_two_networks_with_the_same_addresses_are_there_at_once(net: Network) -> None:
    with network() as second:
        near, far = net.host("one"), second.host("one")
        assert near.address == far.address
        with echo(near):
            other = second.host("other")
            assert not reaches(other, far)
            neighbour = net.host("other")
            until(lambda: reaches(neighbour, near), "in its own network it is reached")


def test_a_name_is_given_once(net: Network) -> None:
    net.host("one")
    with pytest.raises(Refused, match="host-not-plugged-in"):
        net.host("one")


def test_a_step_that_the_kernel_refuses_is_named(net: Network) -> None:
    with pytest.raises(Broken, match="network-step-failed") as raised:
        net.host("one").ip("link set nothing up")
    assert "nothing" in raised.value.finding.what
