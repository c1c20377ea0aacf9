"""The admin socket of a server or an agent, asked over HTTP and answered in the shapes both sides share."""

from __future__ import annotations

import http.client
import os
import pwd
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from trustplane.cli.break_glass import glass as broken
from trustplane.cli.output import place_of
from trustplane.cli.sockets import AGENT_VARIABLE, SERVER_VARIABLE
from trustplane.fault import Broken, Fault, Finding, Refused, Unavailable
from trustplane.wire.http_proposal_shapes import ProposalShape
from trustplane.wire.http_shapes import ErrorShape, FindingShape

PATIENCE_SECONDS = 35.0  # a little longer than the server gives itself
MAX_ANSWER_BYTES = 256 * 1024 * 1024

NO_HEADERS: Mapping[str, str] = {}

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Proposed(Exception):  # noqa: N818 - an answer of another kind, not an error
    """The server took the act as a proposal: nothing was done yet."""

    def __init__(self, proposal: ProposalShape) -> None:
        self.proposal = proposal
        super().__init__(f"proposal {proposal.number}")


class Admin:
    """One socket. `fix` says how to get someone to answer there."""

    def __init__(self, path: Path, who: str, fix: str) -> None:
        self._path = path
        self._who = who
        self._fix = fix

    def get(self, path: str, shape: type[Shape], **query: str | int) -> Shape:
        target = f"{path}?{urlencode(query)}" if query else path
        return msgspec.json.decode(self._ask("GET", target, b""), type=shape)

    def post(self, path: str, shape: type[Shape], body: msgspec.Struct | None = None, glass: str = "") -> Shape:
        """`glass`: why it is done at once where an approval is required. Raises Proposed when it waits for one."""
        content = msgspec.json.encode(body) if body is not None else b""
        return msgspec.json.decode(self._ask("POST", path, content, broken(glass)), type=shape)

    def raw(self, path: str) -> bytes:
        return self._ask("GET", path, b"")

    def _ask(self, method: str, target: str, content: bytes, further: Mapping[str, str] = NO_HEADERS) -> bytes:
        connection = _OverUnix(self._path)
        headers = {"Content-Type": "application/json", "Trustplane-Operator": operator(), **further}
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._not_reachable(error) from error
        finally:
            connection.close()
        if response.status == http.HTTPStatus.ACCEPTED:
            raise Proposed(msgspec.json.decode(answer, type=ProposalShape))
        if response.status != http.HTTPStatus.OK:
            raise fault_of(answer, response.status, self._who)
        return answer

    def _not_reachable(self, error: Exception) -> Unavailable:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        denied = isinstance(error, PermissionError)
        return Unavailable(
            code="not-reachable",
            what=f"no {self._who} answers on {self._path}",
            why=why.lower(),
            fix=f"run this as the owner of {self._path}, for example with sudo" if denied else self._fix,
        )


class _OverUnix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def server(path: Path) -> Admin:
    fix = f"start one with `trustplane server run`, or choose its socket with --server-socket or {SERVER_VARIABLE}"
    return Admin(path, "server", fix)


def agent(path: Path) -> Admin:
    fix = f"start one with `trustplane agent run`, or choose its socket with --agent-socket or {AGENT_VARIABLE}"
    return Admin(path, "agent", fix)


def operator() -> str:
    """Who is at the keyboard: behind sudo, the person rather than root."""
    behind = os.environ.get("SUDO_USER")
    if behind:
        return behind
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def fault_of(answer: bytes, status: int, who: str) -> Fault:
    """The failure an answer carries, as if it had happened here."""
    try:
        error = msgspec.json.decode(answer, type=ErrorShape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Broken(
            code="answer-unreadable",
            what=f"the {who} answered {status} without saying why",
            why="whatever listens on this socket does not speak trustplane's API",
            fix="see who listens there (`ss -xlp`), and that both sides are of one version",
        )
    kind = Unavailable if status == http.HTTPStatus.SERVICE_UNAVAILABLE else Refused
    place = place_of(error.place)
    fault = kind(code=error.code, what=error.what, why=error.why, fix=error.fix, place=place)
    if error.findings:
        fault.findings = tuple(_finding(one) for one in error.findings)
    return fault


def _finding(shape: FindingShape) -> Finding:
    return Finding(code=shape.code, what=shape.what, why=shape.why, fix=shape.fix, place=place_of(shape.place))
