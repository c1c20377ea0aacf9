"""Servers other than Envoy that meet a client's fault: nginx and HAProxy, one process for all faults.

Both verify clients by the roots and lists that the fault gives them, and log as a careful operator has them log: nginx
at level info, HAProxy with the verifier's numbers in its error log format.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.kit.debian import tool
from tests.kit.envoy_bench import until
from tests.kit.fault_envoys import Case
from trustplane.handshake.failure import Implementation, Tls
from trustplane.main.envoy_bench import LOOPBACK

ERRORS = "%ci:%cp [%tr] %ft: %[fc_err_str] ssl_c_err=%[ssl_c_err] ssl_c_ca_err=%[ssl_c_ca_err] %[ssl_fc_err_str]"


@contextlib.asynccontextmanager
async def serving(by: Implementation, folder: Path, cases: Sequence[Case]) -> AsyncIterator[Path]:
    """Yields the log that it writes."""
    for case in cases:
        _write(folder, case)
    log = folder / "server.log"
    command = _nginx(folder, cases, log) if by is Implementation.NGINX else _haproxy(folder, cases)
    with log.open("ab") as output:
        child = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        await until(lambda: all(listens(case.port) for case in cases[-1:]))
        yield log
    finally:
        child.terminate()
        await child.wait()


def listens(port: int) -> bool:
    """Without connecting: a connection would be in the log."""
    wanted = f"{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[3] == "0A" and row[1].endswith(f":{wanted}") for row in rows)


def _write(folder: Path, case: Case) -> None:
    held = case.fault.server
    (folder / f"{case.name}.server.pem").write_bytes(held.chain_pem() + held.key_pem())
    (folder / f"{case.name}.ca.pem").write_bytes(held.roots_pem())
    if held.crls:
        (folder / f"{case.name}.crl.pem").write_bytes(held.crls_pem())


def _nginx(folder: Path, cases: Sequence[Case], log: Path) -> list[str]:
    blocks = "\n".join(_block(folder, case) for case in cases)
    places = "\n".join(f"  {kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = (
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {log} info;\nevents {{}}\n"
        f"http {{\n  access_log off;\n{places}\n{blocks}\n}}\n"
    )
    (folder / "nginx.conf").write_text(config)
    return [tool("nginx"), "-p", str(folder), "-e", str(log), "-c", str(folder / "nginx.conf")]


def _block(folder: Path, case: Case) -> str:
    pem, ca = folder / f"{case.name}.server.pem", folder / f"{case.name}.ca.pem"
    crl = f"ssl_crl {folder / f'{case.name}.crl.pem'};" if case.fault.server.crls else ""
    verifies = f"ssl_client_certificate {ca}; ssl_verify_client on; ssl_verify_depth 4; {crl}"
    return (
        f"  server {{ listen {LOOPBACK}:{case.port} ssl; ssl_certificate {pem}; ssl_certificate_key {pem};"
        f" ssl_protocols TLSv{case.tls.value}; {verifies} location / {{ return 200; }} }}"
    )


def _haproxy(folder: Path, cases: Sequence[Case]) -> list[str]:
    frontends = "\n".join(_frontend(folder, case) for case in cases)
    config = (
        "global\n  log stdout format raw local0\ndefaults\n  mode http\n  log global\n  timeout client 5s\n"
        f'  timeout server 5s\n  timeout connect 5s\n  error-log-format "{ERRORS}"\n{frontends}\n'
    )
    (folder / "haproxy.cfg").write_text(config)
    return [tool("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


def _frontend(folder: Path, case: Case) -> str:
    pem, ca = folder / f"{case.name}.server.pem", folder / f"{case.name}.ca.pem"
    crl = f"crl-file {folder / f'{case.name}.crl.pem'}" if case.fault.server.crls else ""
    version = {Tls.V1_2: "TLSv1.2", Tls.V1_3: "TLSv1.3"}[case.tls]
    return (
        f"frontend {case.name}\n  bind {LOOPBACK}:{case.port} ssl crt {pem} ca-file {ca} verify required {crl}"
        f" ssl-min-ver {version} ssl-max-ver {version}\n  http-request return status 200\n"
    )
