"""The process behind a sidecar's xDS stream: whether it lives, and what its administration says it uses.

The sidecar names the socket of its administration, so what answers there is believed only if the kernel says that it
is that very process which listens. Nothing is sent to any other. Answers are bounded in size and in time.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path, PurePath
from urllib.parse import quote

from trustplane.fault import Refused, Unavailable
from trustplane.host.peers import PeerTable, peer_of
from trustplane.host.pidfd import PidFd
from trustplane.xds.cross_check import Context, Shown
from trustplane.xds.unsaid_rejections import Subscription

WITHIN_SECONDS = 2.0
MAX_ANSWER_BYTES = 4 << 20
MAX_CONTEXTS = 10_000
_CERTS = "/certs"
_CONNECTED = "control_plane.connected_state"
_SUBSCRIPTIONS = r"(listener_manager\.lds|cluster_manager\.cds|http\..*\.rds\..*|sds\..*)"
_REJECTED, _TAKEN_UP = ".update_rejected", ".update_success"
_STATS = "/stats?format=json&filter=" + quote(
    rf"^(control_plane\.connected_state|{_SUBSCRIPTIONS}\.update_(rejected|success))$", safe=""
)


class WatchedEnvoy:
    """Owns `pidfd`; `close` it."""

    def __init__(self, pid: int, pidfd: PidFd, admin: Path | None, within: float = WITHIN_SECONDS) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._admin = admin
        self._within = within
        # Of this very process, for as long as the machine runs: a number is given again, its start is not.
        self.identity = f"{pid}@{started_at(pid)}"

    @property
    def can_be_asked(self) -> bool:
        return self._admin is not None

    def alive(self) -> bool:
        return self._pidfd.alive()

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it (SIGSTOP, SIGTSTP, a debugger): state T of proc(5)."""
        return _status(self._pid)[:1] in (["T"], ["t"])

    async def look(self) -> Shown:
        """Unavailable when nothing answers in time; Refused when it cannot be asked, or somebody else listens there."""
        async with self._asking():
            return shown(await self._ask(_CERTS), await self._ask(_STATS))

    async def figures(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges whose name matches the regular expression; refused as a look is."""
        async with self._asking():
            return _values(await self._ask("/stats?format=json&filter=" + quote(pattern, safe="")))

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._within):
                yield
        except (TimeoutError, EOFError, ConnectionError, ValueError, asyncio.LimitOverrunError) as error:
            raise Unavailable(
                code="envoy-admin-unreachable",
                what=f"the sidecar's administration at {self._admin} does not answer",
                why=f"{type(error).__name__}: {error}"[:300],
                fix="look whether the sidecar runs, and at the end of its log",
            ) from None

    def close(self) -> None:
        self._pidfd.close()

    async def _ask(self, target: str) -> bytes:
        reader, writer = await self._connected()
        try:
            writer.write(f"GET {target} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n".encode())
            return await _answer(reader)
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            await asyncio.get_running_loop().sock_connect(connection, str(self._admin))
            self._check(connection)
            return await asyncio.open_unix_connection(sock=connection, limit=MAX_ANSWER_BYTES)
        except ConnectionError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise _cannot_ask(str(self._admin), os.strerror(error.errno or 0)) from None
        except BaseException:
            connection.close()
            raise

    def _check(self, connection: socket.socket) -> None:
        listening = peer_of(connection)
        listening.pidfd.close()
        if listening.pid != self._pid:
            raise _cannot_ask(str(self._admin), f"process {listening.pid} listens there, not {self._pid}")


def started_at(pid: int) -> str:
    """In ticks since the machine was booted; nothing if it has ended: field 22 of proc(5)."""
    return "".join(_status(pid)[19:20])


def _status(pid: int) -> list[str]:
    """What follows the process's name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def process_of(peers: PeerTable, peer: str, admin: str) -> WatchedEnvoy | None:
    """Who is behind that name; None if it is gone, or cannot be seen or pinned."""
    try:
        found = peers.of(peer)
        pidfd = found.pidfd.copy()
    except (OSError, Refused):
        return None
    return WatchedEnvoy(found.pid, pidfd, Path(admin) if PurePath(admin).is_absolute() else None)


def shown(certs: bytes, stats: bytes) -> Shown:
    """Raises ValueError if this is not what an Envoy answers."""
    try:
        found = json.loads(certs)["certificates"]
        contexts = tuple(_context(one) for one in found[:MAX_CONTEXTS])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an Envoy's answer: {type(error).__name__}: {error}") from None
    values = _values(stats)
    names = (name.removesuffix(_REJECTED) for name in values if name.endswith(_REJECTED))
    subscriptions = (Subscription(one, values[one + _REJECTED], values.get(one + _TAKEN_UP, 0)) for one in names)
    return Shown(contexts, values.get(_CONNECTED, 1) == 1, tuple(islice(subscriptions, MAX_CONTEXTS)))


def _values(stats: bytes) -> dict[str, int]:
    try:
        return {str(one["name"]): int(one["value"]) for one in json.loads(stats)["stats"] if "value" in one}
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an Envoy's answer: {type(error).__name__}: {error}") from None


def _context(one: dict[str, list[dict[str, str]]]) -> Context:
    leaf = next(iter(one.get("cert_chain") or ()), None)
    trusted = frozenset(int(each["serial_number"], 16) for each in one.get("ca_cert") or ())
    return Context(trusted, int(leaf["serial_number"], 16) if leaf else None)


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Of HTTP/1.1, as much as Envoy's administration speaks: chunked, or until the end."""
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    if head[0].split(b" ")[1:2] != [b"200"]:
        raise ValueError(f"it answered {head[0][:100]!r}")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])}
    if headers.get(b"transfer-encoding") != b"chunked":
        length = headers.get(b"content-length")
        return await reader.readexactly(_size(length, 10)) if length else await _until_the_end(reader)
    found = bytearray()
    while size := _size((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        found += await reader.readexactly(size + 2)
        del found[-2:]
        if len(found) > MAX_ANSWER_BYTES:
            raise ValueError(f"it answered more than {MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(found)


async def _until_the_end(reader: asyncio.StreamReader) -> bytes:
    found = await reader.read(MAX_ANSWER_BYTES)
    while part := await reader.read(MAX_ANSWER_BYTES):
        found += part
        if len(found) > MAX_ANSWER_BYTES:
            raise ValueError(f"it answered more than {MAX_ANSWER_BYTES >> 20} MiB")
    return found


def _size(text: bytes, base: int) -> int:
    size = int(text.strip(), base)
    if not 0 <= size <= MAX_ANSWER_BYTES:
        raise ValueError(f"it would answer {size} bytes")
    return size


def _cannot_ask(path: str, why: str) -> Refused:
    return Refused(
        code="envoy-admin-not-asked",
        what=f"the administration that a sidecar names, {path}, is not asked",
        why=why,
        fix="let the agent's user open that socket, and start the sidecar with trustplane sidecar",
    )
