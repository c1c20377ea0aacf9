"""What programs print: Python, Go, Java, OpenSSL's own tools, curl."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from trustplane.handshake.failure import Failure, Implementation, Side, Tls
from trustplane.handshake.readers.line import Line, instant_in

MAX_TRACE: Final = 200
_PYTHON: Final = re.compile(r"\[SSL(?::|\])|\bSSL\w*Error\b|\bssl\.SSL|ConnectionResetError|BrokenPipeError")
_GRPC: Final = re.compile(r"\bTSI_[A-Z]|Socket closed|Hostname Verification Check failed|\bgrpc\b")
_GO: Final = re.compile(
    r"\btls: |x509: |TLS handshake error|HTTP response to HTTPS|HTTP request to an HTTPS|connection reset by peer"
)
_GO_SERVER: Final = re.compile(r"TLS handshake error from (?P<peer>\S{3,64}): ")
_GO_DIALLED: Final = re.compile(r"(?P<local>[0-9a-fA-F.:\[\]]{3,64})->(?P<peer>[0-9a-fA-F.:\[\]]{3,64}): ")
_JAVA: Final = re.compile(
    r"SSL\w*Exception|CertPath\w*Exception|CertificateException|ValidatorException|SocketException|EOFException"
    r"|Received fatal alert|Certificate(?:Expired|NotYetValid)Exception"
)
_JAVA_FRAME: Final = re.compile(r"^\s+(?:at |\.\.\. \d)")
# Frames of JSSE that say more than the exception: what it was sending, which side it is, and under which version.
_JAVA_SENDS: Final = re.compile(r"sun\.security\.ssl\.((?:CertificateVerify|Finished)\$T1[23]\w{1,40}Producer)\.")
_JAVA_CLIENT: Final = re.compile(
    r"sun\.security\.ssl\.(?:\S+\.checkServerCerts|ServerHelloDone\$ServerHelloDoneConsumer)\b"
)
_JAVA_SERVER: Final = re.compile(r"sun\.security\.ssl\.\S+\.checkClientCerts\b")
_JAVA_TLS: Final = re.compile(r"sun\.security\.ssl\.\w+\$T(12|13)[A-Z]")
_DEPTH: Final = re.compile(r"depth=(\d{1,3})\b")
_VERIFY: Final = re.compile(r"verify error:num=\d{1,4}:.{1,200}")
_ERROR: Final = re.compile(r"[0-9A-F]{8,20}:error:[0-9A-F]{8}:.{1,400}")
_CURL: Final = re.compile(r"curl: \(\d{1,3}\) .*")
_CURL_TLS: Final = re.compile(r"SSL connection using (TLSv1\.[23])")


def read_python(lines: Iterable[Line]) -> Iterator[Failure]:
    """A traceback's last line says it all; the lines above are code."""
    for line in lines:
        grpc = _GRPC.search(line.text)
        if grpc or _PYTHON.search(line.text):
            runs = Implementation.GRPC if grpc else Implementation.PYTHON
            yield Failure(line.text.strip(), runs, at=instant_in(line.text), place=line.place)


def read_go(lines: Iterable[Line]) -> Iterator[Failure]:
    for line in lines:
        if not _GO.search(line.text):
            continue
        served, dialled = _GO_SERVER.search(line.text), _GO_DIALLED.search(line.text)
        side = Side.SERVER if served else Side.CLIENT if dialled else None
        failure = Failure(line.text.strip(), Implementation.GO, side, at=instant_in(line.text), place=line.place)
        if served:
            failure = replace(failure, peer=served["peer"])
        elif dialled:
            failure = replace(failure, local=dialled["local"], peer=dialled["peer"])
        yield failure


def read_java(lines: Iterable[Line]) -> Iterator[Failure]:
    """One failure for each stack trace: the causes follow one another, and the innermost decides."""
    trace: list[str] = []
    frames: list[str] = []
    first: Line | None = None
    for line in lines:
        if _JAVA_FRAME.match(line.text):
            if len(frames) < MAX_TRACE and "sun.security.ssl." in line.text:
                frames.append(line.text)
            continue
        if line.text.lstrip().startswith("Caused by:") and first is not None:
            if len(trace) < MAX_TRACE:
                trace.append(line.text.strip())
            continue
        if first is not None:
            yield _traced(first, trace, frames)
        first, trace, frames = None, [], []
        if _JAVA.search(line.text):
            first, trace = line, [line.text.strip()]
    if first is not None:
        yield _traced(first, trace, frames)


def _traced(first: Line, trace: list[str], frames: list[str]) -> Failure:
    # The innermost cause stands last; when the text is cut, the beginning may go, not the end.
    text = " | ".join(trace[:1] + trace[-4:] if len(trace) > 5 else trace)
    if "SocketException" in text and (sends := _first_in(_JAVA_SENDS, frames)):
        text += f" | at {sends[1]}"
    side = Side.CLIENT if _first_in(_JAVA_CLIENT, frames) else Side.SERVER if _first_in(_JAVA_SERVER, frames) else None
    tls = Tls(f"1.{found[1][1]}") if (found := _first_in(_JAVA_TLS, frames)) else None
    return Failure(text, Implementation.JAVA, side, tls=tls, at=instant_in(first.text), place=first.place)


def _first_in(pattern: re.Pattern[str], frames: list[str]) -> re.Match[str] | None:
    return next((found for one in frames if (found := pattern.search(one))), None)


def read_openssl(lines: Iterable[Line]) -> Iterator[Failure]:
    """`s_client` and `s_server` print a verdict, with the depth a line above it, and then the error it led to."""
    side: Side | None = None
    depth, verdict = "", False
    for line in lines:
        if line.text.startswith("ACCEPT"):
            side, verdict = Side.SERVER, False
        elif line.text.startswith("CONNECTED("):
            side = Side.CLIENT
        elif found := _DEPTH.match(line.text):
            depth = found[0]
        if found := _VERIFY.search(line.text):
            verdict = True
            yield Failure(f"{depth} {found[0]}", Implementation.OPENSSL, side, place=line.place)
        elif (found := _ERROR.search(line.text)) and not (verdict and "certificate verify failed" in found[0]):
            yield Failure(found[0], Implementation.OPENSSL, side, at=instant_in(line.text), place=line.place)


def read_curl(lines: Iterable[Line]) -> Iterator[Failure]:
    tls: Tls | None = None
    for line in lines:
        if found := _CURL_TLS.search(line.text):
            tls = Tls(found[1].removeprefix("TLSv"))
        if found := _CURL.search(line.text):
            yield Failure(
                found[0], Implementation.CURL, Side.CLIENT, tls=tls, at=instant_in(line.text), place=line.place
            )
            tls = None
