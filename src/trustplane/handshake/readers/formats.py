"""The formats by name, and which of them a log is in, by the look of its first lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Final

from trustplane.handshake.failure import Failure
from trustplane.handshake.readers import event, proxies, runtimes, rustls
from trustplane.handshake.readers.line import Line, Reader, instant_in
from trustplane.handshake.recognise import origin_of
from trustplane.handshake.signature import plain

LOOKED_AT: Final = 200


class Format(Enum):
    """What a log is written in."""

    EVENTS = "events"
    ENVOY = "envoy"
    ISTIO = "istio"
    NGINX = "nginx"
    HAPROXY = "haproxy"
    PYTHON = "python"
    GO = "go"
    JAVA = "java"
    OPENSSL = "openssl"
    CURL = "curl"
    RUSTLS = "rustls"
    TEXT = "text"


def _read_text(lines: Iterable[Line]) -> Iterator[Failure]:
    """Any line that gives away who wrote it."""
    for line in lines:
        if (origin := origin_of(plain(line.text))) is not None:
            yield Failure(line.text.strip(), origin, at=instant_in(line.text), place=line.place)


READERS: Final[dict[Format, Reader]] = {
    Format.EVENTS: event.read,
    Format.ENVOY: proxies.read_envoy,
    Format.ISTIO: proxies.read_envoy,
    Format.NGINX: proxies.read_nginx,
    Format.HAPROXY: proxies.read_haproxy,
    Format.PYTHON: runtimes.read_python,
    Format.GO: runtimes.read_go,
    Format.JAVA: runtimes.read_java,
    Format.OPENSSL: runtimes.read_openssl,
    Format.CURL: runtimes.read_curl,
    Format.RUSTLS: rustls.read,
    Format.TEXT: _read_text,
}
# Tried on each line, in this order; the first line that one of them takes decides.
_LOOKS: Final = (
    (Format.EVENTS, re.compile(r'\{"log":"failure"')),
    (
        Format.ENVOY,
        re.compile(
            r'\{.*"(?:log|response_flags|flags)":|\[\d{4}-\d\d-\d\dT[\d:.]+Z\] "|\[\d{4}-\d\d-\d\d [\d:.]+\]\[\d+\]'
            r"|\d{4}-\d\d-\d\dT[\d:.]+Z\t\w+\tenvoy "
        ),
    ),
    (Format.NGINX, re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+:")),
    (Format.HAPROXY, re.compile(r".*(?:haproxy\[\d+\]|:\d{1,5} \[\d\d/[A-Z][a-z]{2}/\d{4}:)")),
    (Format.CURL, re.compile(r"curl: \(\d+\)|\* +Trying |\* (?:ALPN|SSL connection using)")),
    (
        Format.RUSTLS,
        re.compile(
            r".*(?:invalid peer certificate: |received fatal alert: [A-Z][a-z]+[A-Z]|InvalidCertificate\("
            r"|AlertReceived\(|NoCertificatesPresented|peer sent no certificates)"
        ),
    ),
    (Format.OPENSSL, re.compile(r"CONNECTED\(|ACCEPT\b|verify error:num=|depth=\d")),
    (Format.JAVA, re.compile(r".*(?:javax\.net\.ssl\.|java\.\w+\.|sun\.security\.)")),
    (Format.PYTHON, re.compile(r'Traceback \(most recent|  File "|.*(?:_ssl\.c:|\bssl\.SSL|\[SSL: )')),
    (Format.GO, re.compile(r".*(?:\btls: |x509: |http: TLS handshake error)")),
)


def format_of(lines: Sequence[Line]) -> Format:
    for line in lines[:LOOKED_AT]:
        text = line.text[:4096]
        for one, look in _LOOKS:
            if look.match(text):
                return one
    return Format.TEXT
