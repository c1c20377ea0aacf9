"""A network of its own for each host of a rehearsal: one switch, a cable to each host, and links that can be cut.

Nothing of it is in the machine's own network. The namespaces have no names and no processes that hold them: they live
as long as the descriptors of the process that made them and whatever runs inside, so that a process that is killed
leaves nothing behind, and any number of networks with the same addresses are there at once. It also works inside a
network namespace, as tests that must not reach outside run in one.

A cut is silent, as a failed switch is: no port goes down, no connection is reset, frames just do not arrive.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Self

from trustplane.fault import Broken, Refused

# RFC 2544: addresses for trying networks, which no real network routes.
PREFIX = "198.18.0"
MOST_HOSTS = 250
SECONDS_A_STEP = 30.0

_SBIN = "/usr/sbin:/sbin"
_CLONE_NEWNET = 0x40000000
_NOT_ALLOWED = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENOSPC})
_CLOSED = -1
# A frame for it is flooded to every cable and taken in by nobody: locally administered, and no host gets it.
_NOBODY = "02:00:00:00:00:00"


class Namespace:
    """One network namespace, held by a descriptor."""

    def __init__(self) -> None:
        self._fd = _created()

    @property
    def path(self) -> str:
        """Where other processes find it; good as long as it is not closed."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def command(self, words: Sequence[str]) -> tuple[str, ...]:
        """The same command with this network instead of ours. Its process keeps its number: nsenter becomes it."""
        return (_tool("nsenter"), f"--net={self.path}", "--", *words)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to this network for good; other threads notice nothing."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _system_call("setns", self._fd, _CLONE_NEWNET)
            try:
                yield
            finally:
                _system_call("setns", before, _CLONE_NEWNET)
        finally:
            os.close(before)

    def ip(self, *lines: str) -> None:
        """Steps of the `ip` command, all of them or a fault."""
        _run(self.command([_tool("ip"), "-batch", "-"]), lines)

    def close(self) -> None:
        fd, self._fd = self._fd, _CLOSED
        if fd != _CLOSED:
            os.close(fd)


class Host(Namespace):
    """A host with one address, plugged into a network's switch."""

    def __init__(self, name: str, number: int, switch: Namespace) -> None:
        super().__init__()
        self.name = name
        self.address = f"{PREFIX}.{number}"
        self._port = f"port-{number}"
        self._switch = switch
        try:
            switch.ip(f"link add {self._port} type veth peer name eth0 netns {self.path}", f"link set {self._port} up")
            self.ip("link set lo up", f"address add {self.address}/24 dev eth0", "link set eth0 up")
            self.heal()
        except BaseException:
            self.close()
            raise

    def cut(self) -> None:
        """From now on nothing it sends arrives anywhere, and nothing arrives at it."""
        self._switch.ip(f"link set {self._port} nomaster")

    def heal(self) -> None:
        self._switch.ip(f"link set {self._port} master switch")


class Network:
    """Hosts that reach each other and nothing else. Close it, or leave its `with`, when nothing runs in it any more."""

    def __init__(self) -> None:
        self._switch = Namespace()
        self._hosts: dict[str, Host] = {}
        try:
            self._switch.ip("link set lo up", "link add switch type bridge", "link set switch up")
        except BaseException:
            self._switch.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def host(self, name: str) -> Host:
        """A new host; its address is its own in this network."""
        if name in self._hosts or len(self._hosts) == MOST_HOSTS:
            raise Refused(
                code="host-not-plugged-in",
                what=f"host {name} cannot be added to the network of {len(self._hosts)} hosts",
                why=f"names are unique in a network, and one switch takes {MOST_HOSTS} hosts",
                fix="give each host a name of its own, or use a network more",
            )
        host = self._hosts[name] = Host(name, len(self._hosts) + 1, self._switch)
        return host

    def sever(self, one: Host, other: Host) -> None:
        """These two no longer reach each other; both still reach everyone else."""
        one.ip(_lost(other))
        other.ip(_lost(one))

    def mend(self, one: Host, other: Host) -> None:
        one.ip(_found(other))
        other.ip(_found(one))

    def close(self) -> None:
        for host in self._hosts.values():
            host.close()
        self._switch.close()


def _lost(peer: Host) -> str:
    return f"neighbour replace {peer.address} lladdr {_NOBODY} dev eth0 nud permanent"


def _found(peer: Host) -> str:
    return f"neighbour del {peer.address} dev eth0"


def _created() -> int:
    """A thread gets the new namespace and ends; the descriptor keeps what it had."""
    made: list[int | OSError] = []

    def unshare() -> None:
        try:
            _system_call("unshare", _CLONE_NEWNET)
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=unshare, name="new-network")
    thread.start()
    thread.join()
    match made[0]:
        case OSError() as error if error.errno in _NOT_ALLOWED:
            raise Refused(
                code="namespaces-not-allowed",
                what=f"no network namespace can be made here: {error.strerror}",
                why="the kernel or the container forbids unshare(CLONE_NEWNET) to this user",
                fix="run as root, in a container with the capabilities SYS_ADMIN and NET_ADMIN",
            ) from error
        case OSError() as error:
            raise error
        case descriptor:
            return descriptor


def _system_call(name: str, *numbers: int) -> None:
    if ctypes.CDLL(None, use_errno=True)[name](*numbers) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if found is None:
        raise Refused(
            code="network-tool-missing",
            what=f"{name} is not installed",
            why="hosts of a rehearsal get networks of their own, which ip and nsenter set up",
            fix="apt-get install iproute2 util-linux",
        )
    return found


def _run(words: Sequence[str], lines: Sequence[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    ran = subprocess.run(words, input=text, capture_output=True, text=True, timeout=SECONDS_A_STEP, check=False)
    if ran.returncode != 0:
        raise Broken(
            code="network-step-failed",
            what=f"the network could not be set up: {' '.join(ran.stderr.split())}",
            why=f"the kernel refused one of these steps of ip: {'; '.join(lines)}",
            fix="see the reason above; a kernel without veth or bridge cannot rehearse network faults",
        )
