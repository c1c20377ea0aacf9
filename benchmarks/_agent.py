"""The agent under measurement: the real command in a process of its own, enrolled with a benchmark's server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from benchmarks._server import DOMAIN, Server, running_command, until_healthy
from trustplane.main.demo.doors import Door


@contextlib.asynccontextmanager
async def running_agent(server: Server, node: str) -> AsyncIterator[tuple[int, Door]]:
    """Its process id and its admin socket; everything else of it is in a directory of its name."""
    directory = server.directory / node
    directory.mkdir()
    (directory / "bundle.json").write_bytes(await server.admin.raw("/bundle"))
    token = directory / "token"
    token.touch(mode=0o600)
    token.write_text(await server.token(node), encoding="utf-8")
    arguments = (
        *("agent", "run", "--trust-domain", DOMAIN.name, "--node", node, "--data-dir", str(directory / "data")),
        *("--server", server.node_door, "--enrolment", server.enrolment_door, "--join-token-file", str(token)),
        *("--bundle-file", str(directory / "bundle.json"), "--workload-socket", str(directory / "workload.sock")),
        *("--xds-socket", str(directory / "xds.sock"), "--agent-socket", str(directory / "agent.sock")),
    )
    with running_command(directory, "agent", arguments) as process:
        admin = Door(directory / "agent.sock")
        try:
            await until_healthy(admin, process, directory / "agent.log")
            yield process.pid, admin
        finally:
            await admin.close()
