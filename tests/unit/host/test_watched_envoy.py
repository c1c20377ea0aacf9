"""What a sidecar's administration answers is read within bounds, and from nobody but that sidecar's own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trustplane.fault import Refused, Unavailable
from trustplane.host.peers import Peer, PeerTable
from trustplane.host.pidfd import of_number
from trustplane.host.watched_envoy import MAX_ANSWER_BYTES, WatchedEnvoy, process_of, shown, started_at
from trustplane.xds.cross_check import Context, Shown
from trustplane.xds.unsaid_rejections import Subscription

CERTS = {
    "certificates": [
        {"ca_cert": [{"serial_number": "0a"}, {"serial_number": "ff"}], "cert_chain": [{"serial_number": "0102"}]},
        {"ca_cert": [], "cert_chain": []},
    ]
}
STATS = {
    "stats": [
        {"name": "control_plane.connected_state", "value": 0},
        {"name": "listener_manager.lds.update_rejected", "value": 2},
        {"name": "sds.x.update_rejected", "value": 1},
        {"name": "sds.x.update_success", "value": 4},
        {"histograms": {}},
    ]
}
SUBSCRIPTIONS = (Subscription("listener_manager.lds", 2, 0), Subscription("sds.x", 1, 4))
SEEN = Shown(
    (Context(frozenset({10, 255}), 258), Context(frozenset(), None)), is_connected=False, subscriptions=SUBSCRIPTIONS
)
WITHIN = 0.2


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body: bytes) -> bytes:
    parts = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7))
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


def unbounded(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


Answer = Callable[[bytes], bytes]


class Administration:
    """Answers the two questions as `shape` says."""

    def __init__(self, shape: Answer) -> None:
        self._shape = shape
        self.asked: list[bytes] = []
        self._serving: list[asyncio.Task[None]] = []

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.append(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(4096)
        if asked:
            self.asked.append(asked)
            body = json.dumps(CERTS if b"/certs" in asked else STATS).encode()
            writer.write(self._shape(body))
        with contextlib.suppress(ConnectionError):  # who was told enough has hung up
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    async def ended(self) -> None:
        await asyncio.gather(*self._serving)


def process(admin: Path | None, pid: int | None = None) -> WatchedEnvoy:
    return WatchedEnvoy(pid or os.getpid(), of_number(os.getpid()), admin, WITHIN)


def looked_at(folder: Path, administration: Administration, pid: int | None = None) -> Shown:
    async def look() -> Shown:
        server = await asyncio.start_unix_server(administration.serve, folder / "a.sock")
        async with server:
            one = process(folder / "a.sock", pid)
            try:
                return await one.look()
            finally:
                one.close()
                await administration.ended()

    return asyncio.run(look())


@pytest.mark.parametrize("shape", [whole, chunked, unbounded])
def test_serials_the_stream_and_refusals_are_read(socket_dir: Path, shape: Answer) -> None:
    administration = Administration(shape)
    assert looked_at(socket_dir, administration) == SEEN
    assert [one.split()[1].split(b"?")[0] for one in administration.asked] == [b"/certs", b"/stats"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * MAX_ANSWER_BYTES),
        b"x" * (2 * MAX_ANSWER_BYTES),
        whole(b'{"certificates":[{"ca_cert":[{"serial_number":"no"}]}]}'),
        whole(b'{"certificates":[7]}'),
    ],
    ids=[
        "nothing",
        "503",
        "list",
        "negative",
        "endless",
        "bad-chunk",
        "deep",
        "huge",
        "huge-head",
        "no-serial",
        "no-map",
    ],
)
def test_anything_else_is_no_answer(socket_dir: Path, answer: bytes) -> None:
    with pytest.raises(Unavailable) as found:
        looked_at(socket_dir, Administration(lambda _: answer))
    assert found.value.code == "envoy-admin-unreachable"


def test_one_that_hangs_costs_a_bounded_time(socket_dir: Path) -> None:
    """Its socket takes connections, as a stopped process's does."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_dir / "a.sock"))
    listener.listen()
    one = process(socket_dir / "a.sock")
    with pytest.raises(Unavailable):
        asyncio.run(one.look())
    one.close()
    listener.close()


def test_nothing_is_asked_of_another_process(socket_dir: Path) -> None:
    administration = Administration(whole)
    with pytest.raises(Refused, match="listens there") as found:
        looked_at(socket_dir, administration, pid=1)
    assert found.value.code == "envoy-admin-not-asked"
    assert administration.asked == []


def test_a_socket_that_is_not_there_is_not_silence(socket_dir: Path) -> None:
    async def look() -> None:
        one = process(socket_dir / "none.sock")
        with pytest.raises(Refused) as found:
            await one.look()
        assert found.value.code == "envoy-admin-not-asked"
        one.close()

    asyncio.run(look())


def test_a_stopped_process_is_told_from_a_running_and_an_ended_one() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    one = WatchedEnvoy(child.pid, of_number(child.pid), None)
    try:
        assert (one.alive(), one.is_stopped(), one.can_be_asked) == (True, False, False)
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert (one.alive(), one.is_stopped()) == (True, True)
    finally:
        child.kill()
        child.wait()
    assert (one.alive(), one.is_stopped()) == (False, False)
    one.close()


def test_who_is_behind_a_stream_is_pinned_apart_from_the_stream(socket_dir: Path) -> None:
    peers = PeerTable()
    assert process_of(peers, "unseen", "/run/admin.sock") is None
    own = Peer(os.getpid(), os.getuid(), os.getgid(), of_number(os.getpid()))
    peers.enter("a", own)
    found = process_of(peers, "a", "/run/admin.sock")
    nameless = process_of(peers, "a", "relative.sock")
    own.pidfd.close()
    assert found is not None
    assert (found.alive(), found.can_be_asked) == (True, True)
    found.close()
    assert nameless is not None
    assert not nameless.can_be_asked
    nameless.close()
    assert process_of(peers, "a", "") is None, "its descriptor is closed"


def test_an_envoys_answer_without_the_statistic_is_taken_for_connected() -> None:
    assert shown(b'{"certificates":[]}', b'{"stats":[]}') == Shown(())


def test_a_process_is_named_beyond_its_number() -> None:
    with contextlib.closing(WatchedEnvoy(os.getpid(), of_number(os.getpid()), None)) as one:
        number, _, started = one.identity.partition("@")
    assert int(number) == os.getpid()
    assert int(started) > 0
    assert started_at(1) != started
