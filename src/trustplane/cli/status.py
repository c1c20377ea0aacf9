"""`trustplane status`: this machine's server and agent at a glance, whichever of them runs."""

from __future__ import annotations

from pathlib import Path

from trustplane.cli import admin, status_text
from trustplane.cli.output import say, say_json
from trustplane.cli.sockets import AgentSocket, AsJson, ServerSocket
from trustplane.fault import Unavailable
from trustplane.wire.http_shapes import AgentStatusShape, ServerStatusShape

EXAMPLES = """\b
Examples:
  trustplane status
  trustplane status --json | jq .server.can_issue
"""


def command(server_socket: ServerSocket, agent_socket: AgentSocket, *, as_json: AsJson = False) -> None:
    """Show the server and the agent of this machine.

     Revision, authorities, nodes, identities, sidecars, and what somebody does not hold as they should. Ends with 1
    when one of them says that it cannot do its work, and with 3 when neither answers.
    """
    server, no_server = _server(server_socket)
    agent, no_agent = _agent(agent_socket)
    if no_server and no_agent:
        raise Unavailable(
            code="not-reachable",
            what=f"neither a server answers on {server_socket} nor an agent on {agent_socket}",
            why=f"{no_server.finding.why}; {no_agent.finding.why}",
            fix="start them, or choose their sockets with --server-socket and --agent-socket",
        )
    if as_json:
        say_json({"server": server, "agent": agent})
    else:
        shown = [status_text.server(server)] if server else [f"server: none answers on {server_socket}"]
        shown += [status_text.agent(agent)] if agent else [f"agent: none answers on {agent_socket}"]
        say("\n\n".join(shown))
    status_text.end(server, agent)


def _server(socket: Path) -> tuple[ServerStatusShape | None, Unavailable | None]:
    try:
        return admin.server(socket).get("/v1/status", ServerStatusShape), None
    except Unavailable as absent:
        return None, absent


def _agent(socket: Path) -> tuple[AgentStatusShape | None, Unavailable | None]:
    try:
        return admin.agent(socket).get("/v1/status", AgentStatusShape), None
    except Unavailable as absent:
        return None, absent
