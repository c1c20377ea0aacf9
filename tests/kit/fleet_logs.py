"""Access logs of a fleet's sidecars, in the words of real ones: callers on some nodes cannot reach anybody."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trustplane.spiffe.instants import utc

BEGAN = datetime(2026, 11, 27, 9, tzinfo=UTC)
EXPIRED = (
    "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:"
    "_X509_verify_cert:_certificate_verification_error_at_depth_0:_certificate_has_expired:TLS_error_end"
)


def identity(service: str) -> str:
    return f"spiffe://acme.example/ns/shop/sa/{service}"


def outbound(client: tuple[str, str], server: tuple[str, str], at: datetime, failure: str = "") -> dict[str, object]:
    """`client` and `server` are a service and its host. A connection that failed has no identities in its record."""
    (ours, host), (theirs, there) = client, server
    record: dict[str, object] = {
        "log": "outbound",
        "start": utc(at).isoformat().replace("+00:00", "Z"),
        "status": 503 if failure else 200,
        "flags": "UF,URX" if failure else "-",
        "details": "upstream_reset_before_response_started{remote_connection_failure}" if failure else "via_upstream",
        "upstream_host": f"{there}:8443",
        "tls_failure": failure or None,
    }
    if failure:
        return record
    seen = {"local_id": identity(ours), "peer_id": identity(theirs), "tls_version": "TLSv1.3"}
    return {**record, **seen, "upstream": f"{there}:8443", "upstream_local": f"{host}:40000"}


def write_fleet(folder: Path, broken: Iterable[str], nodes: int = 12) -> list[Path]:
    """Twelve callers, each with a log, of twelve callees; those of the `broken` hosts are refused by everyone."""
    refused = set(broken)
    paths = []
    for caller in range(nodes):
        host, lines = f"10.0.0.{caller}", []
        for callee in range(nodes):
            if callee != caller:
                there = f"10.0.0.{callee}"
                failure = EXPIRED if there in refused else ""
                client, server = (f"service-{caller}", host), (f"service-{callee}", there)
                again = [outbound(client, server, BEGAN + timedelta(seconds=30 + one), failure) for one in range(3)]
                lines += [outbound(client, server, BEGAN), *again]
        paths.append(folder / f"{host}.log")
        paths[-1].write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return paths
