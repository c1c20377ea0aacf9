"""nginx as a client that meets a fault: one process, and a path for each case whose upstream is that case's server.

It is told to verify as a careful operator has it verify: name, chain and dates; nginx by itself verifies nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kit.debian import tool
from tests.kit.envoy_bench import until
from tests.kit.fault_clients import Files
from tests.kit.fault_envoys import Case
from tests.kit.fault_servers import listens
from tests.kit.faults import SERVER_NAME
from trustplane.main.envoy_bench import LOOPBACK, free_port


@dataclass(frozen=True)
class Asking:
    """Where it is asked, and what it writes of its upstreams."""

    port: int
    log: Path

    def url(self, case: Case) -> str:
        return f"http://{LOOPBACK}:{self.port}/{case.name}"


@contextlib.asynccontextmanager
async def asking(folder: Path, cases: Sequence[Case]) -> AsyncIterator[Asking]:
    one = Asking(free_port(), folder / "nginx.log")
    places = "\n".join(f"  {kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    paths = "\n".join(_path(case, Files.of(case, folder)) for case in cases)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {one.log} info;\nevents {{}}\n"
        f"http {{\n  access_log off;\n{places}\n  server {{\n    listen {LOOPBACK}:{one.port};\n{paths}\n  }}\n}}\n"
    )
    child = await asyncio.create_subprocess_exec(
        tool("nginx"), "-p", str(folder), "-e", str(one.log), "-c", str(config)
    )
    try:
        await until(lambda: listens(one.port))
        yield one
    finally:
        child.terminate()
        await child.wait()


def _path(case: Case, files: Files) -> str:
    presented = f"proxy_ssl_certificate {files.chain}; proxy_ssl_certificate_key {files.key};" if files.presents else ""
    return (
        f"    location = /{case.name} {{ proxy_pass https://{LOOPBACK}:{case.port}/; proxy_ssl_server_name on;"
        f" proxy_ssl_name {SERVER_NAME}; proxy_ssl_session_reuse off; proxy_ssl_protocols TLSv{case.tls.value};"
        f" proxy_ssl_verify on; proxy_ssl_verify_depth 4; proxy_ssl_trusted_certificate {files.roots}; {presented} }}"
    )
