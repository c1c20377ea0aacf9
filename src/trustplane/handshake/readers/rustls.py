"""What programs print of rustls, and ztunnel's access log, which says which way a connection went."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from trustplane.handshake.failure import Failure, Implementation, Side
from trustplane.handshake.readers.line import Line, instant_in

_RUSTLS: Final = re.compile(
    r"invalid peer certificate: |received fatal alert: [A-Z]|peer sent no certificates|peer is incompatible: [A-Z]"
    r"|received corrupt message of type|sending TLS close_notify|InvalidCertificate\(|AlertReceived\("
    r"|NoCertificatesPresented|PeerIncompatible\(|InvalidMessage\(|did not present the expected (?:SAN|trustdomain)"
)
# As text (key="value") and as JSON ("key":"value").
_ERROR: Final = re.compile(r'\berror"?[=:]\s?"(?P<text>(?:[^"\\]|\\.){1,4096})"')
_WAY: Final = re.compile(r'\bdirection"?[=:]\s?"(?P<way>inbound|outbound)"')
_FROM: Final = re.compile(r'\bsrc\.addr"?[=:]\s?"?(?P<address>[0-9a-fA-F.:\[\]]{3,64})')
_TO: Final = re.compile(r'\bdst\.addr"?[=:]\s?"?(?P<address>[0-9a-fA-F.:\[\]]{3,64})')


def read(lines: Iterable[Line]) -> Iterator[Failure]:
    for line in lines:
        if _RUSTLS.search(line.text):
            yield _failure(line)


def _failure(line: Line) -> Failure:
    error, way = _ERROR.search(line.text), _WAY.search(line.text)
    text = error["text"].replace('\\"', '"') if error and _RUSTLS.search(error["text"]) else line.text.strip()
    if way is None:
        return Failure(text, Implementation.RUSTLS, at=instant_in(line.text), place=line.place)
    met, reached = (found["address"] if (found := one.search(line.text)) else "" for one in (_FROM, _TO))
    side = Side.SERVER if way["way"] == "inbound" else Side.CLIENT
    # What an outbound connection has as its source is the program's own, before the tunnel.
    local, peer = (reached, met) if side is Side.SERVER else ("", reached)
    return Failure(
        text, Implementation.RUSTLS, side, at=instant_in(line.text), local=local, peer=peer, place=line.place
    )
