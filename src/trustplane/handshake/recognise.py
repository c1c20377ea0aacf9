"""From a failure to its signature. Total: what no signature takes is recognised as unknown, and grouped by its shape.

Where the origin of a text is not known, what gives it away decides; where nothing does, all are tried in turn.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from trustplane.handshake.catalogue import BY_IMPLEMENTATION, EITHER_SIDE_FIRST
from trustplane.handshake.catalogue.index import Anchored, ByWord
from trustplane.handshake.failure import NOBODY, Claims, Failure, Implementation
from trustplane.handshake.signature import Signature, Voice, plain

MAX_SHAPE: Final = 200
MAX_SHAPED: Final = 600  # of a text, in characters; few failures begin with more names and numbers than that
MOST_REMEMBERED: Final = 1024  # texts, with what took them
_SOMEBODY: Final = Claims("spiffe://somebody")
# Who a text is by, for one that came without its origin; the first whose words are found decides. Where a word alone
# is not enough, the pattern behind the words is.
MARKS: Final[tuple[tuple[Implementation, tuple[str, ...], re.Pattern[str] | None], ...]] = (
    (
        Implementation.GRPC,
        ("tsi protocol failure", "tsi data corrupted", "ssl transport security", "hostname verification check failed",
         "grpc", "socket closed"),
        None,
    ),
    (
        Implementation.HAPROXY,
        ("ssl client cert", "ssl client ca chain", "ssl c err=", "ssl c ca err=", ": ssl handshake failure"),
        None,
    ),
    (
        Implementation.NGINX,
        ("ssl certificate verify error", "while ssl handshak", "upstream ssl certificate", "client sent no r",
         "client sent plain", "from upstream", "to upstream"),
        None,
    ),
    (
        Implementation.SPIRE,
        ("reattest", "x509-svid", "subsystem name=", "agent is not attested"),
        None,
    ),
    (
        Implementation.LINKERD,
        ("linkerd", "ceritficate", "issuer cert is valid", "failed to build upgrade"),
        None,
    ),
    (Implementation.ISTIO, ("envoy proxy is not ready",), None),
    (
        Implementation.RUSTLS,
        ("invalid peer certificate: ", "alert: ", "peer sent no certificates", "invalidcertificate(", "alertreceived(",
         "nocertificatespresented", "identity verification error: peer", "peer is incompatible: ",
         "received corrupt message of type", "sending tls close notify"),
        re.compile(
            r"invalid peer certificate: |fatal alert: [a-z]{9,}\b(?! )|invalidcertificate\(|alertreceived\("
            r"|peer sent no certificates|nocertificatespresented|identity verification error: peer did not present"
            r"|peer is incompatible: [a-z]|received corrupt message of type|without sending tls close notify"
        ),
    ),
    (
        Implementation.PYTHON,
        ("[ssl: ", "[ssl]", " ssl.c:", "ssleof", "connectionreseterror", "connectionrefusederror", "brokenpipeerror"),
        None,
    ),
    (Implementation.CURL, ("curl:", "("), re.compile(r"curl: ?\(|^\(\d\d\) ")),
    (
        Implementation.JAVA,
        ("javax.", "java.", "pkix ", "sslhandshakeexception", "fatal alert: ", "sun.security"),
        None,
    ),
    (Implementation.GO, ("x509: ", "tls: ", "tls handshake error"), re.compile(r"x509: |\btls: |tls handshake error")),
    (
        Implementation.ENVOY,
        ("openssl internal", "tls error:", "sds", "reset reason", "config update rejected"),
        None,
    ),
    (
        Implementation.OPENSSL,
        ("verify error:", ":0a", "error:0a", "ssl routines"),
        re.compile(r"verify error:|:0a[0-9a-f]{6}:|error:0a[0-9a-f]{6}|ssl routines"),
    ),
)  # fmt: skip
# What varies between two failures of one shape. Each part is bounded, and a text is at most MAX_TEXT long.
_VARIES: Final = re.compile(
    r"(?P<id>spiffe://[^\s\]\"',|]+)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|\[[0-9a-f:]{2,45}\](?::\d{1,5})?)"
    r"|(?P<time>\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:\.\d+)?z?)"
    r"|(?P<hex>\b(?:0x)?(?=[0-9a-f:]{0,32}\d)[0-9a-f]{2}(?::?[0-9a-f]{2}){3,}\b)"
    r"|(?P<number>\d+)"
)
# What is not known to be of a side is tried on the rules of either side first.
_OF_A_SIDE: Final = {one: Anchored(rules) for one, rules in BY_IMPLEMENTATION.items()}
_OF_EITHER_SIDE: Final = {one: Anchored(rules) for one, rules in EITHER_SIDE_FIRST.items()}
_OF_ANYONE: Final = ByWord([rule for rules in BY_IMPLEMENTATION.values() for rule in rules])
_OF_ANYONE_OF_EITHER_SIDE: Final = ByWord([rule for rules in EITHER_SIDE_FIRST.values() for rule in rules])


@dataclass(frozen=True, slots=True)
class Unknown:
    """A text that no signature takes. Those of one `shape` are one kind of failure."""

    shape: str

    @property
    def id(self) -> str:
        return f"unknown-{hashlib.sha256(self.shape.encode(errors='replace')).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Recognised:
    """`failure` has the implementation filled in that the signature is of."""

    failure: Failure
    signature: Signature | Unknown
    voice: Voice | None


def recognise(failure: Failure) -> Recognised:
    text = plain(failure.text)
    origin = failure.implementation or origin_of(text)
    found = _first_that_takes(_looked_at(failure, text), origin)
    if origin is None and found is not None:
        origin = found.implementation
    if failure.implementation is not origin:
        failure = replace(failure, implementation=origin)
    if found is None:
        return Recognised(failure, Unknown(shape(failure.text)), None)
    return Recognised(failure, found, found.voice)


def _looked_at(failure: Failure, text: str) -> Failure:
    """Without what no signature looks at: on a bad day many records differ in nothing else."""
    completed = bool(failure.theirs.spiffe_id or failure.theirs.not_after)
    return Failure(
        text,
        side=failure.side,
        build=failure.build,
        tls=failure.tls,
        flags=failure.flags,
        details=failure.details,
        theirs=_SOMEBODY if completed else NOBODY,
    )


@lru_cache(MOST_REMEMBERED)
def _first_that_takes(told: Failure, origin: Implementation | None) -> Signature | None:
    of_a_side = told.side is not None
    if origin is not None:
        return (_OF_A_SIDE if of_a_side else _OF_EITHER_SIDE)[origin].first(told, told.text)
    return (_OF_ANYONE if of_a_side else _OF_ANYONE_OF_EITHER_SIDE).first(told, told.text)


def origin_of(text: str) -> Implementation | None:
    """Who wrote the text, which is plain already."""
    for one, words, pattern in MARKS:
        if any(word in text for word in words) and (pattern is None or pattern.search(text)):
            return one
    return None


def shape(text: str) -> str:
    """The text with what varies taken out: names, addresses, instants, hexadecimal, numbers."""
    begins = " ".join(plain(text[:MAX_SHAPED]).split())
    return _VARIES.sub(lambda found: f"<{found.lastgroup}>", begins)[:MAX_SHAPE]
