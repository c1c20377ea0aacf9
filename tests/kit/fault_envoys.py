"""Two real Envoys between which every fault is injected at once: a server listener and a client route for each.

One process holds all servers, another all clients, so that a build is tried in seconds. Both write the access logs
that our sidecars write.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.kit.envoy_bench import until
from tests.kit.faults import SERVER_NAME, Fault, Held
from trustplane.handshake.failure import Tls
from trustplane.host.envoy import EnvoySettings, running
from trustplane.main.envoy_bench import LOOPBACK, free_port
from trustplane.xds import access_log
from trustplane.xds.resources import typed

_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "envoy.extensions.filters.http.router.v3.Router"
_DOWNSTREAM = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_UPSTREAM = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
_FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
_UNMATCHED = {
    "start": "START_TIME",
    "flags": "RESPONSE_FLAGS",
    "peer": "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "local": "DOWNSTREAM_LOCAL_ADDRESS",
}
_NEWER_FIELDS = {"method", "path", "authority", "request_id", "tls_group", "peer_issuer_serial"}
SETTLED = 100  # looks at the log, ten milliseconds apart
_VERSIONS = {Tls.V1_2: "TLSv1_2", Tls.V1_3: "TLSv1_3"}


@dataclass(frozen=True)
class Case:
    """One fault under one TLS version, and where its server listens."""

    fault: Fault
    tls: Tls
    port: int

    @property
    def name(self) -> str:
        return f"{self.fault.name}-{self.tls.value}"


@dataclass
class Stage:
    """Where the client's routes are, and where both wrote."""

    cases: Sequence[Case]
    listens: int
    client_log: Path
    server_log: Path

    async def play(self) -> None:
        """One request through every case, one after another, until both sides have written it down.

        Before each one that works, as between failures on a real sidecar: its record has the identity of ours.
        """
        async with httpx.AsyncClient(timeout=20) as client:
            for case in self.cases:
                for name in (self.cases[0].name, case.name):
                    await client.get(f"http://{LOOPBACK}:{self.listens}/{name}")
        await self.settled(2 * len(self.cases))

    async def settled(self, requests: int = 0) -> None:
        """Return when the client's Envoy has written every line and the server's log stands still."""
        sizes = [-1]

        def still() -> bool:
            sizes.append(len(lines(self.server_log)))
            written = len(lines(self.client_log)) >= requests
            return written and len(sizes) > SETTLED and len(set(sizes[-SETTLED:])) == 1

        await until(still)


def cases_of(faults: Sequence[Fault], versions: Sequence[Tls] = tuple(Tls)) -> list[Case]:
    return [
        Case(fault, tls, free_port()) for fault in faults for tls in versions if fault.only is None or fault.only is tls
    ]


@contextlib.asynccontextmanager
async def staged(folder: Path, binary: Path, cases: Sequence[Case]) -> AsyncIterator[Stage]:
    """Both Envoys of one build, ready. The first case must be one that works."""
    stage = Stage(cases, free_port(), folder / "client.log", folder / "server.log")
    servers = {"listeners": [_listener(case, stage.server_log) for case in cases]}
    clients = {"listeners": [_routes(stage)], "clusters": [_cluster(case) for case in cases]}
    for resources in (servers, clients):
        _leave_out_what_old_builds_lack(resources)
    async with _envoy(folder / "server", binary, servers), _envoy(folder / "client", binary, clients):
        yield stage


def _leave_out_what_old_builds_lack(config: object) -> None:
    """An Envoy refuses a log format with an operator that it does not have. What a diagnosis reads, all have."""
    if isinstance(config, list):
        for one in config:
            _leave_out_what_old_builds_lack(one)
    elif isinstance(config, dict):
        if fields := config.get("json_format"):
            config["json_format"] = {name: value for name, value in fields.items() if name not in _NEWER_FIELDS}
        for one in config.values():
            _leave_out_what_old_builds_lack(one)


@contextlib.asynccontextmanager
async def _envoy(folder: Path, binary: Path, resources: dict[str, Any]) -> AsyncIterator[None]:
    folder.mkdir()  # noqa: ASYNC240 - a test folder, before anything runs
    admin = folder / "admin.sock"
    config = {
        "node": {"id": folder.name, "cluster": "lab"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "static_resources": resources,
    }
    settings = EnvoySettings(binary, folder, admin, timedelta(seconds=1))
    async with running(settings, config) as envoy:
        await envoy.ready()
        yield


def _listener(case: Case, log: Path) -> dict[str, Any]:
    held = case.fault.server
    chain: dict[str, Any] = {"filters": [_http(log)]}
    if not held.plain:
        # gRPC insists on being answered by ALPN; who offers none is not asked for one.
        common = {**_common(held, case), "alpn_protocols": ["h2", "http/1.1"]}
        context = {"common_tls_context": common, "require_client_certificate": True}
        chain["transport_socket"] = {"name": "tls", "typed_config": typed(_DOWNSTREAM, **context)}
        chain["filter_chain_match"] = {"server_names": [SERVER_NAME]} if case.fault.sni != SERVER_NAME else {}
    found: dict[str, Any] = {
        "name": case.name,
        "address": _address(case.port),
        "filter_chains": [chain],
        "access_log": access_log.of_failed_handshakes(str(log))[:1],
    }
    if case.fault.sni != SERVER_NAME:
        # Nothing of it reaches a filter chain, so only an unfiltered log of the listener has it.
        unmatched = {key: "%" + value + "%" for key, value in _UNMATCHED.items()}
        log_format = {"json_format": {"log": "handshake", **unmatched}}
        found["access_log"] = [{"name": "all", "typed_config": typed(_FILE, path=str(log), log_format=log_format)}]
        found["listener_filters"] = [{"name": "inspector", "typed_config": typed(_INSPECTOR)}]
    return found


def _http(log: Path) -> dict[str, Any]:
    answers = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    return _hcm("in", [answers], access_log.of_inbound_requests(str(log))[:1])  # the file: no agent listens here


def _routes(stage: Stage) -> dict[str, Any]:
    routes = [{"match": {"path": f"/{case.name}"}, "route": {"cluster": case.name}} for case in stage.cases]
    http = _hcm("out", routes, access_log.of_outbound_requests(str(stage.client_log))[:1])
    return {"name": "out", "address": _address(stage.listens), "filter_chains": [{"filters": [http]}]}


def _hcm(prefix: str, routes: list[Any], log: list[dict[str, object]]) -> dict[str, Any]:
    config = typed(
        _HCM,
        stat_prefix=prefix,
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        http_filters=[{"name": "router", "typed_config": typed(_ROUTER)}],
        access_log=log,
    )
    return {"name": "http", "typed_config": config}


def _cluster(case: Case) -> dict[str, Any]:
    held = case.fault.client
    endpoint = {"endpoint": {"address": _address(case.port)}}
    found: dict[str, Any] = {
        "name": case.name,
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": case.name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if not held.plain:
        context = {"common_tls_context": _common(held, case), "sni": case.fault.sni}
        found["transport_socket"] = {"name": "tls", "typed_config": typed(_UPSTREAM, **context)}
    return found


def tls_params(fault: Fault, held: Held, tls: Tls) -> dict[str, object]:
    version = _VERSIONS[tls]
    params: dict[str, object] = {"tls_minimum_protocol_version": version, "tls_maximum_protocol_version": version}
    if fault.cause == "version-mismatch":
        params = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    return params | held.tls


def _common(held: Held, case: Case) -> dict[str, Any]:
    match = {"prefix": held.expects} if held.expects.endswith("/") else {"exact": held.expects}
    validation: dict[str, Any] = {
        "trusted_ca": _inline(held.roots_pem()),
        "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": match}],
        **held.validation,
    }
    if held.crls:
        validation["crl"] = _inline(held.crls_pem())
    found: dict[str, Any] = {"tls_params": tls_params(case.fault, held, case.tls), "validation_context": validation}
    if held.chain:
        pair = {"certificate_chain": _inline(held.chain_pem()), "private_key": _inline(held.key_pem())}
        found["tls_certificates"] = [pair]
    return found


def _inline(pem: bytes) -> dict[str, str]:
    return {"inline_bytes": base64.b64encode(pem).decode()}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
