"""Where a sidecar takes mTLS, and what a port is."""

from __future__ import annotations

from dataclasses import dataclass

from trustplane.fault import Refused

MAX_PORT = 65535


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where a sidecar takes mTLS."""

    address: str
    port: int


def check_port(role: str, port: int) -> None:
    if not 1 <= port <= MAX_PORT:
        raise Refused(
            code="bad-port",
            what=f"{role} is {port}, which is not a port",
            why=f"ports are 1 to {MAX_PORT}",
            fix=f"write for example {role}: 20101",
        )
