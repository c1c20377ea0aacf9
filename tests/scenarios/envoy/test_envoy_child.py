"""Envoy as a child of ours: found, started, seen, and never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kit.envoy_bench import EnvoyBench, until
from trustplane.fault import Refused, Unavailable
from trustplane.host.envoy import EnvoySettings, find_envoy, running
from trustplane.main.envoy_bench import PATIENCE
from trustplane.spiffe.names import ServiceName
from trustplane.xds.bootstrap import Sockets, bootstrap

NOBODY = 65534


def listening_tcp(pid: int) -> set[int]:
    """The TCP ports a process listens on, from /proc."""
    inodes = {link for fd in Path(f"/proc/{pid}/fd").iterdir() if (link := _inode(fd)) is not None}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[9] in inodes}


def _inode(fd: Path) -> str | None:
    try:
        return str(fd.readlink()).removeprefix("socket:[").removesuffix("]")
    except OSError:
        return None


def test_a_sidecar_listens_on_its_own_ports_and_its_administration_on_no_port(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with EnvoyBench(socket_dir) as bench:
            bench.add("pay")
            web = bench.add("web", calls=["pay"])
            await bench.start()
            assert web.envoy is not None
            expected = {web.sidecar.ports.mesh, web.sidecar.callees[0].listen}
            assert listening_tcp(web.envoy.pid) == expected
            assert web.admin.stat().st_mode & 0o777 == 0o600

    asyncio.run(scenario())


def test_envoy_ends_when_the_process_that_started_it_is_killed(socket_dir: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from tests.kit.envoy_bench import EnvoyBench

async def main():
    async with EnvoyBench(Path({str(socket_dir)!r})) as bench:
        member = bench.add("pay")
        await bench.start()
        print(member.envoy.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path.cwd(), text=True)
    try:
        assert parent.stdout is not None
        envoy = int(parent.stdout.readline())
        assert Path(f"/proc/{envoy}").exists()
    finally:
        parent.kill()
        parent.communicate()
    asyncio.run(until(lambda: not _alive(envoy)))


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_envoy_runs_as_another_user_from_a_binary_that_user_cannot_reach(socket_dir: Path) -> None:
    private = socket_dir / "private"
    private.mkdir(mode=0o700)
    binary = private / "envoy"
    shutil.copy(find_envoy(None), binary)
    socket_dir.chmod(0o711)
    folder = socket_dir / "web"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)

    async def scenario() -> str:
        settings = EnvoySettings(binary, folder, folder / "admin.sock", timedelta(seconds=1), uid=NOBODY, gid=NOBODY)
        config = bootstrap(ServiceName("shop", "web"), Sockets(socket_dir / "ads.sock", settings.admin))
        async with running(settings, config) as envoy:
            await until(settings.admin.exists)
            return await asyncio.to_thread(Path(f"/proc/{envoy.pid}/status").read_text)

    status = asyncio.run(scenario())
    assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in status
    assert "Groups:\t \n" in status
    assert "NoNewPrivs:\t1" in status
    assert not (folder / "admin.sock").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_an_access_log_on_standard_output_reaches_whoever_started_envoy_as_another_user(socket_dir: Path) -> None:
    async def scenario() -> bytes:
        async with EnvoyBench(socket_dir) as bench:
            bench.ads_socket.chmod(0o777)
            pay = bench.add("pay")
            os.chown(pay.admin.parent, NOBODY, NOBODY)
            pay.log = Path("/dev/stdout")
            bench.publish(pay)
            ours, theirs = os.pipe()
            try:
                settings = EnvoySettings(
                    bench.binary, pay.admin.parent, pay.admin, timedelta(seconds=1), NOBODY, NOBODY, stdout=theirs
                )
                config = bootstrap(pay.sidecar.service, Sockets(bench.ads_socket, pay.admin))
                async with running(settings, config) as envoy:
                    os.close(theirs)
                    await envoy.ready()
                    await bench.settled(pay)
                    tls = bench.client_tls(pay.svid)
                    assert (await bench.dial("pay", b"GET / HTTP/1.1\r\nhost: pay\r\n\r\n", tls)).status == 403
                    return await asyncio.to_thread(os.read, ours, 65536)
            finally:
                os.close(ours)

    socket_dir.chmod(0o711)
    line = json.loads(asyncio.run(scenario()).splitlines()[0])
    assert (line["log"], line["status"]) == ("inbound", 403)


def test_an_envoy_that_cannot_start_says_why(socket_dir: Path) -> None:
    async def scenario() -> None:
        settings = EnvoySettings(find_envoy(None), socket_dir, socket_dir / "admin.sock", timedelta(seconds=1))
        async with running(settings, {"no_such_field": 1}) as envoy:
            with pytest.raises(Unavailable, match="no_such_field"):
                await envoy.ready()
            assert (await envoy.exited()).code == 1

    asyncio.run(scenario())


def test_an_idle_sidecar_stops_without_waiting_for_its_drain_to_pass(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with EnvoyBench(socket_dir) as bench:
            pay = bench.add("pay")
            bench.publish(pay)
            settings = EnvoySettings(bench.binary, pay.admin.parent, pay.admin, timedelta(hours=1))
            config = bootstrap(pay.sidecar.service, Sockets(bench.ads_socket, pay.admin))
            async with running(settings, config) as envoy:
                await envoy.ready()
                async with asyncio.timeout(PATIENCE.total_seconds()):
                    assert (await envoy.stop()).code == 0

    asyncio.run(scenario())


def test_an_exit_is_reported_with_its_signal(socket_dir: Path) -> None:
    async def scenario() -> None:
        async with EnvoyBench(socket_dir) as bench:
            pay = bench.add("pay")
            await bench.start()
            assert pay.envoy is not None
            os.kill(pay.envoy.pid, signal.SIGKILL)
            assert (await pay.envoy.exited()).code == -signal.SIGKILL

    asyncio.run(scenario())


def test_a_path_that_is_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refusal:
        find_envoy(tmp_path / "envoy")
    assert refusal.value.code == "envoy-not-found"
