"""SPIFFE IDs and trust domains as values that cannot be invalid (SPIFFE-ID §2).

Refused, never repaired: no trimming, no lower-casing. Two spellings must never name one workload, so upper case in
the scheme or the trust domain is refused although §2.4 compares them without case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trustplane.fault import Refused

MAX_ID_BYTES = 2048  # SPIFFE-ID §2.3
MAX_TRUST_DOMAIN_BYTES = 255  # SPIFFE-ID §2.3
SCHEME = "spiffe://"

_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]+")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


def _refuse(what: str, why: str) -> Refused:
    return Refused(
        code="bad-spiffe-id",
        what=what,
        why=why,
        fix="write spiffe://<trust-domain>/<segment>/<segment>, for example spiffe://acme.example/ns/shop/sa/web",
    )


def _check_length(length: int) -> None:
    """Before anything is cut up or matched: the text may be a peer's. Characters count as bytes, all being ASCII."""
    if length > MAX_ID_BYTES:
        raise _refuse(f"the SPIFFE ID has {length} bytes", f"at most {MAX_ID_BYTES} are allowed (SPIFFE-ID §2.3)")


@dataclass(frozen=True, slots=True, order=True)
class TrustDomain:
    """The name of a set of identities that share a root of trust."""

    name: str

    def __post_init__(self) -> None:
        if not _TRUST_DOMAIN.fullmatch(self.name):
            raise _refuse(
                f"{self.name!r:.300} is not a trust domain name",
                "a trust domain is lower-case letters, digits, dots, dashes and underscores (SPIFFE-ID §2.1)",
            )
        if len(self.name) > MAX_TRUST_DOMAIN_BYTES:
            raise _refuse(
                f"the trust domain name {self.name[:40]}... has {len(self.name)} bytes",
                f"at most {MAX_TRUST_DOMAIN_BYTES} are allowed (SPIFFE-ID §2.3)",
            )

    def __str__(self) -> str:
        return self.name

    @property
    def id(self) -> SpiffeId:
        return SpiffeId(self)


@dataclass(frozen=True, slots=True, order=True)
class SpiffeId:
    """One workload's name: a trust domain and the path inside it. An empty path names the domain itself."""

    trust_domain: TrustDomain
    path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_length(len(str(self)))
        for segment in self.path:
            if segment in (".", "..") or not _SEGMENT.fullmatch(segment):
                raise _refuse(
                    f"{segment!r:.300} is not a path segment",
                    "a segment is letters, digits, `.`, `-` and `_`, and neither empty nor . nor .. (SPIFFE-ID §2.2)",
                )

    @classmethod
    def parse(cls, text: str) -> SpiffeId:
        _check_length(len(text))
        if not text.startswith(SCHEME):
            raise _refuse(
                f"{text!r:.300} is not a SPIFFE ID", "a SPIFFE ID starts with spiffe:// in lower case (SPIFFE-ID §2)"
            )
        name, slash, path = text[len(SCHEME) :].partition("/")
        return cls(TrustDomain(name), tuple(path.split("/")) if slash else ())

    def __str__(self) -> str:
        return "/".join((SCHEME + self.trust_domain.name, *self.path))
