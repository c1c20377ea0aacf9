"""A server whose clock is wrong by so many seconds, as a program of a rehearsal and of nothing else.

Started with one JSON object. No option of `trustplane server run` leads here, so nobody shifts a server by mistake. The
TLS library reads the machine's own clock all the same: only what the server decides and signs is shifted.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from trustplane.fault import Fault
from trustplane.host.clock import SystemClock
from trustplane.main.server import run
from trustplane.main.settings import HostPort, ServerSettings
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.names import NodeName


class Shifted(msgspec.Struct, frozen=True):
    """What the rehearsal's own server needs. `ahead_seconds` is negative for a clock that is behind."""

    trust_domain: str
    data_dir: str
    socket: str
    nodes: str
    enrolment: str
    ahead_seconds: float


class WrongClock(SystemClock):
    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


def main(text: str) -> int:
    wanted = msgspec.json.decode(text, type=Shifted)
    settings = ServerSettings(
        data_dir=Path(wanted.data_dir),
        trust_domain=TrustDomain(wanted.trust_domain),
        instance=NodeName("server-1"),
        admin_socket=Path(wanted.socket),
        listen_node=HostPort.parse(wanted.nodes),
        listen_enrolment=HostPort.parse(wanted.enrolment),
    )
    try:
        run(settings, WrongClock(timedelta(seconds=wanted.ahead_seconds)))
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
