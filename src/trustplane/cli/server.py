"""`trustplane server`: run one, look at it, let nodes join it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trustplane.cli import admin, status_text
from trustplane.cli.arguments import as_input, duration, host_port, node, trust_domain
from trustplane.cli.output import instant, note, say, say_json
from trustplane.cli.sockets import AsJson, ServerSocket, state_dir
from trustplane.cli.telemetry_options import OtlpEndpoint, OtlpHeaders
from trustplane.main.settings import (
    ConsoleSettings,
    FederationSettings,
    HostPort,
    ServerSettings,
    TelemetrySettings,
)
from trustplane.people.proposed_act import ActKind
from trustplane.trust.lifecycle import Lifetimes
from trustplane.wire.http_shapes import ServerStatusShape, TokenRequest, TokenShape

group = typer.Typer(name="server", help="Run a server, and administer the one on this machine.", no_args_is_help=True)
token = typer.Typer(name="token", help="Join tokens: single-use rights to enrol one node.", no_args_is_help=True)
group.add_typer(token)

RUN_EXAMPLES = """\b
Examples:
  trustplane server run --trust-domain acme.example
  trustplane server run --trust-domain acme.example --listen-node 0.0.0.0:8443 --listen-enrolment 0.0.0.0:8444
  trustplane server run --trust-domain acme.example --listen-console 127.0.0.1:8446
  TRUSTPLANE_DATABASE_URL=postgresql://... trustplane server run --trust-domain acme.example --instance eu-1
"""
STATUS_EXAMPLES = """\b
Example:
  trustplane server status --json | jq .can_issue
"""
JOIN_EXAMPLES = """\b
Examples:
  trustplane server token create node-a
  trustplane server token create node-a --ttl 10m --json | jq -r .token > token
"""
BUNDLE_EXAMPLES = """\b
Example:
  trustplane server bundle > bundle.json      for agents to enrol with, and for federation
"""

Data = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        default_factory=lambda: state_dir() / "server",
        show_default="server in the state directory",
        help="Where keys and the SQLite database are kept.",
    ),
]
Domain = Annotated[
    str, typer.Option("--trust-domain", envvar="TRUSTPLANE_TRUST_DOMAIN", help="The trust domain it issues for.")
]
Instance = Annotated[str, typer.Option(help="This server's name among its replicas.")]
ListenNode = Annotated[str, typer.Option(help="Where enrolled agents connect.")]
ListenEnrolment = Annotated[str, typer.Option(help="Where agents without an identity connect.")]
ListenHttps = Annotated[str | None, typer.Option(help="Where to serve the API, metrics and the bundle. Default: not.")]
Database = Annotated[
    str | None,
    typer.Option(envvar="TRUSTPLANE_DATABASE_URL", show_envvar=True, help="PostgreSQL by URL. Default: SQLite."),
]
Passphrase = Annotated[Path | None, typer.Option(help="Seal authority keys under the passphrase in this file.")]
NodeCertificates = Annotated[
    Path | None, typer.Option(help="CAs in PEM whose certificates may enrol the node their subject names.")
]
NodeLife = Annotated[
    str,
    typer.Option(metavar="DURATION", help="How long a node's own identity lives, and how long it can miss a server."),
]
SigningRate = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=100_000,
        metavar="PER SECOND",
        help="The most leaves signed in a second, for a signer that others share. Default: as fast as it goes.",
    ),
]
ListenFederation = Annotated[
    str | None,
    typer.Option(help="Where other trust domains fetch the bundle, shown the server's SVID (https_spiffe)."),
]
ListenFederationWeb = Annotated[
    str | None, typer.Option(help="The same with a certificate for a host name (https_web).")
]
WebCertificate = Annotated[Path | None, typer.Option(help="Of the https_web endpoint: its chain in PEM; may change.")]
WebKey = Annotated[Path | None, typer.Option(help="Of the https_web endpoint: the key in PEM.")]
WebAuthorities = Annotated[
    Path | None, typer.Option(help="CAs in PEM that vouch for https_web endpoints of others. Default: this machine's.")
]
ListenConsole = Annotated[
    str | None,
    typer.Option(
        help="Where to serve the web console; in the clear on loopback, else with a certificate. Default: not."
    ),
]
ConsoleCertificate = Annotated[Path | None, typer.Option(help="Of the console: its chain in PEM; may change.")]
ConsoleKey = Annotated[Path | None, typer.Option(help="Of the console: the key in PEM.")]
ConsoleOidc = Annotated[
    Path | None,
    typer.Option(help="Of the console: a YAML file that names an OpenID provider and which groups have which role."),
]
RequireApproval = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ACT",
        help="Also who holds the admin socket only proposes this: start-root-change, waive-participant, "
        "promote-dry-run, revoke-id or revoke-issuer; repeatable.",
    ),
]
Life = Annotated[str, typer.Option(metavar="DURATION", help="How long such an authority lives.")]


@group.command(epilog=RUN_EXAMPLES)
def run(  # noqa: PLR0913, PLR0917 - one parameter per option
    trust_domain_name: Domain,
    server_socket: ServerSocket,
    data_dir: Data,
    instance: Instance = "server-1",
    listen_node: ListenNode = "127.0.0.1:8443",
    listen_enrolment: ListenEnrolment = "127.0.0.1:8444",
    listen_https: ListenHttps = None,
    database_url: Database = None,
    passphrase_file: Passphrase = None,
    root_lifetime: Life = "3650d",
    issuing_lifetime: Life = "30d",
    jwt_lifetime: Life = "30d",
    node_lifetime: NodeLife = "1h",
    node_certificates_ca: NodeCertificates = None,
    signing_rate: SigningRate = None,
    listen_federation: ListenFederation = None,
    listen_federation_web: ListenFederationWeb = None,
    federation_web_certificate: WebCertificate = None,
    federation_web_key: WebKey = None,
    federation_web_ca: WebAuthorities = None,
    listen_console: ListenConsole = None,
    console_certificate: ConsoleCertificate = None,
    console_key: ConsoleKey = None,
    console_oidc: ConsoleOidc = None,
    otlp_endpoint: OtlpEndpoint = None,
    otlp_headers_file: OtlpHeaders = None,
    require_approval: RequireApproval = None,
) -> None:
    """Run a server until it is told to stop."""
    with as_input():
        node_life = duration(node_lifetime)
        lifetimes = Lifetimes(duration(root_lifetime), duration(issuing_lifetime), duration(jwt_lifetime))
        approvals = frozenset(map(ActKind.parse, require_approval or ()))
    settings = ServerSettings(
        data_dir=data_dir,
        trust_domain=trust_domain(trust_domain_name),
        instance=node(instance),
        admin_socket=server_socket,
        listen_node=host_port(listen_node),
        listen_enrolment=host_port(listen_enrolment),
        listen_https=_if_given(listen_https),
        database_url=database_url,
        passphrase_file=passphrase_file,
        lifetimes=lifetimes,
        node_lifetime=node_life,
        node_certificates_ca=node_certificates_ca,
        signing_rate=signing_rate,
        federation=_federation(
            listen_federation, listen_federation_web, federation_web_certificate, federation_web_key, federation_web_ca
        ),
        console=ConsoleSettings(_if_given(listen_console), console_certificate, console_key, console_oidc),
        telemetry=TelemetrySettings(otlp_endpoint, otlp_headers_file),
        approvals_required=approvals,
    )
    from trustplane.main.server import run as serve  # noqa: PLC0415 - half a second that only this command may cost

    serve(settings)


def _federation(
    spiffe: str | None, web: str | None, certificate: Path | None, key: Path | None, authorities: Path | None
) -> FederationSettings:
    return FederationSettings(_if_given(spiffe), _if_given(web), certificate, key, authorities)


def _if_given(address: str | None) -> HostPort | None:
    return host_port(address) if address else None


@group.command(epilog=STATUS_EXAMPLES)
def status(server_socket: ServerSocket, *, as_json: AsJson = False) -> None:
    """Show the server of this machine; ends with 1 when it cannot issue."""
    found = admin.server(server_socket).get("/v1/status", ServerStatusShape)
    if as_json:
        say_json(found)
    else:
        say(status_text.server(found))
    status_text.end(found, None)


@group.command(epilog=BUNDLE_EXAMPLES)
def bundle(server_socket: ServerSocket) -> None:
    """Print the trust domain's SPIFFE bundle document, which is JSON."""
    say(admin.server(server_socket).raw("/bundle").decode())


@token.command(epilog=JOIN_EXAMPLES)
def create(
    node_name: Annotated[str, typer.Argument(metavar="NODE", help="The node that may join with it.")],
    server_socket: ServerSocket,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long the token may wait for its use.")] = "1h",
    *,
    as_json: AsJson = False,
) -> None:
    """Create a join token. It is shown this once; the server keeps its hash."""
    life = duration(ttl)
    request = TokenRequest(node=node(node_name).name, ttl_seconds=life.total_seconds())
    created = admin.server(server_socket).post("/v1/join-tokens", TokenShape, request)
    if as_json:
        say_json(created)
        return
    say(created.token)
    note(f"for node {created.node}, once, until {instant(created.expires_at)}")
