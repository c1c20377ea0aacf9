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
from trustplane.handshake.failure import NOBODY, Claims, Failure, Implementation
from trustplane.handshake.signature import Signature, Voice, plain

MAX_SHAPE: Final = 200
MOST_REMEMBERED: Final = 1024  # texts, with what took them
_SOMEBODY: Final = Claims("spiffe://somebody")
# What gives away who wrote a text that came without its origin; the first that is found decides.
MARKS: Final = (
    (
        Implementation.GRPC,
        re.compile(
            r"tsi (?:protocol failure|data corrupted)|ssl transport security|hostname verification check failed"
            r"|grpc|socket closed"
        ),
    ),
    (
        Implementation.HAPROXY,
        re.compile(r"ssl client (?:cert|ca chain)|ssl c (?:ca )?err=|: ssl handshake failure"),
    ),
    (
        Implementation.NGINX,
        re.compile(r"ssl certificate verify error|while ssl handshak|client sent (?:no r|plain)"),
    ),
    (Implementation.SPIRE, re.compile(r"reattest|x509-svid|subsystem name=|agent is not attested")),
    (Implementation.LINKERD, re.compile(r"linkerd|ceritficate|issuer cert is valid|failed to build upgrade")),
    (Implementation.ISTIO, re.compile(r"envoy proxy is not ready")),
    (
        Implementation.RUSTLS,
        re.compile(r"invalid peer certificate: |alert: [a-z]{9,}$|peer sent no certificates"),
    ),
    (
        Implementation.PYTHON,
        re.compile(r"\[ssl(?:: |\])| ssl\.c:|ssleof|connection(?:reset|refused)error|brokenpipeerror"),
    ),
    (Implementation.CURL, re.compile(r"curl: ?\(|^\(\d\d\) ")),
    (Implementation.JAVA, re.compile(r"javax\.|java\.|pkix |sslhandshakeexception|fatal alert: |sun\.security")),
    (Implementation.GO, re.compile(r"x509: |\btls: |tls handshake error")),
    (Implementation.ENVOY, re.compile(r"openssl internal|tls error:|sds|reset reason|config update rejected")),
    (Implementation.OPENSSL, re.compile(r"verify error:|:0a[0-9a-f]{6}:|error:0a[0-9a-f]{6}|ssl routines")),
)
# What varies between two failures of one shape. Each part is bounded, and a text is at most MAX_TEXT long.
_VARIES: Final = re.compile(
    r"(?P<id>spiffe://[^\s\]\"',|]+)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|\[[0-9a-f:]{2,45}\](?::\d{1,5})?)"
    r"|(?P<time>\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:\.\d+)?z?)"
    r"|(?P<hex>\b(?:0x)?(?=[0-9a-f:]*\d)[0-9a-f]{2}(?::?[0-9a-f]{2}){3,}\b)"
    r"|(?P<number>\d+)"
)


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

    @property
    def voice(self) -> Voice | None:
        return self.signature.voice if isinstance(self.signature, Signature) else None


def recognise(failure: Failure) -> Recognised:
    text = plain(failure.text)
    origin = failure.implementation or origin_of(text)
    if origin is not None:
        failure = failure if failure.implementation else replace(failure, implementation=origin)
        return Recognised(failure, _within(origin, failure, text) or Unknown(shape(failure.text)))
    for implementation in Implementation:
        if found := _within(implementation, failure, text):
            return Recognised(replace(failure, implementation=implementation), found)
    return Recognised(failure, Unknown(shape(failure.text)))


def origin_of(text: str) -> Implementation | None:
    """Who wrote the text, which is plain already."""
    return next((one for one, mark in MARKS if mark.search(text)), None)


def shape(text: str) -> str:
    """The text with what varies taken out: names, addresses, instants, hexadecimal, numbers."""
    return _VARIES.sub(lambda found: f"<{found.lastgroup}>", " ".join(plain(text).split()))[:MAX_SHAPE]


def _within(implementation: Implementation, failure: Failure, text: str) -> Signature | None:
    """Without what no signature looks at: on a bad day many records differ in nothing else."""
    completed = bool(failure.theirs.spiffe_id or failure.theirs.not_after)
    told = Failure(
        text,
        side=failure.side,
        build=failure.build,
        tls=failure.tls,
        flags=failure.flags,
        details=failure.details,
        theirs=_SOMEBODY if completed else NOBODY,
    )
    return _first_that_takes(implementation, told)


@lru_cache(MOST_REMEMBERED)
def _first_that_takes(implementation: Implementation, told: Failure) -> Signature | None:
    rules = BY_IMPLEMENTATION if told.side is not None else EITHER_SIDE_FIRST
    return next((rule for rule in rules[implementation] if rule.match.takes(told, told.text)), None)
