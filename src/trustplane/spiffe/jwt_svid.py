"""JWT-SVIDs: tokens read strictly, verified against their subject's trust domain, and put together for signing.

A `JwtSvid` says that the token is well formed. That it is true is what `verify_jwt` says, and only for the audience it
was asked about. Tokens are bearer credentials: they are never printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from trustplane.fault import Refused
from trustplane.spiffe import base64url
from trustplane.spiffe.bundle import BundleSet
from trustplane.spiffe.ids import SpiffeId
from trustplane.spiffe.instants import utc
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.strict_json import parse_object
from trustplane.spiffe.verify import bundle_of

MAX_TOKEN_BYTES = 16 * 1024
MAX_AUDIENCES = 100
NO_LEEWAY = timedelta(0)

_HEADER_NAMES = frozenset({"alg", "kid", "typ"})
_TYPES = ("JWT", "JOSE")
_LAST_SECOND = datetime.max.replace(tzinfo=UTC).timestamp() - 1


@dataclass(frozen=True, slots=True)
class JwtSvid:
    """One token and what it says. `claims` holds all claims, also those SPIFFE does not know."""

    token: str = field(repr=False)
    algorithm: JwtAlgorithm = field(init=False, compare=False)
    kid: str | None = field(init=False, compare=False)
    spiffe_id: SpiffeId = field(init=False, compare=False)
    audiences: tuple[str, ...] = field(init=False, compare=False)
    expires_at: datetime = field(init=False, compare=False)
    not_before: datetime | None = field(init=False, compare=False)
    claims: Mapping[str, object] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        header, payload, signature = _parts(self.token)
        fields = parse_object(_from_base64(header), "the header of the JWT-SVID", MAX_TOKEN_BYTES)
        # JWT-SVID §4: the algorithm before anything else.
        object.__setattr__(self, "algorithm", JwtAlgorithm.named(fields.get("alg")))
        object.__setattr__(self, "kid", _key_id(fields))
        _from_base64(signature)
        claims = parse_object(_from_base64(payload), "the claims of the JWT-SVID", MAX_TOKEN_BYTES)
        object.__setattr__(self, "claims", MappingProxyType(claims))
        object.__setattr__(self, "spiffe_id", _subject(claims))
        object.__setattr__(self, "audiences", _audiences(claims))
        object.__setattr__(self, "expires_at", _instant(claims, "exp"))
        object.__setattr__(self, "not_before", _instant(claims, "nbf") if "nbf" in claims else None)

    @classmethod
    def parse(cls, token: str) -> JwtSvid:
        """Well formed, not yet believed."""
        return cls(token)


def verify_jwt(token: str, audience: str, bundles: BundleSet, at: datetime, leeway: timedelta = NO_LEEWAY) -> JwtSvid:
    """The token, if the bundle of its subject's trust domain vouches for it, to `audience`, at `at`."""
    instant = utc(at)
    svid = JwtSvid.parse(token)
    _check_signature(svid, bundles)
    if audience not in svid.audiences:
        raise _refuse_claims(
            f"the token is for {', '.join(svid.audiences)!r:.300}",
            f"it is not for {audience!r:.300}, which was asked about (JWT-SVID §3.2)",
        )
    if instant >= svid.expires_at + leeway:
        raise Refused(
            code="jwt-expired",
            what=f"the JWT-SVID of {svid.spiffe_id} expired at {svid.expires_at.isoformat()}",
            why=f"it is {instant.isoformat()} (JWT-SVID §3.3)",
            fix="fetch a new one shortly before each use",
        )
    if svid.not_before is not None and instant < svid.not_before - leeway:
        raise _refuse_claims(f"the token is valid from {svid.not_before.isoformat()}", f"it is {instant.isoformat()}")
    return svid


@dataclass(frozen=True, slots=True)
class JwtClaims:
    """What a JWT-SVID of ours says."""

    spiffe_id: SpiffeId
    audiences: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime

    def encode(self) -> bytes:
        claims = {
            "sub": str(self.spiffe_id),
            "aud": list(self.audiences),
            "iat": int(utc(self.issued_at).timestamp()),
            "exp": int(utc(self.expires_at).timestamp()),
        }
        return json.dumps(claims, separators=(",", ":")).encode()


def compact(claims: JwtClaims, kid: str, alg: JwtAlgorithm, sign: Callable[[bytes], bytes]) -> str:
    """The signed token. `sign` answers as a library key does: DER for ECDSA, the plain signature for RSA.

    It is read back, so that claims which would make no JWT-SVID are refused here and not at the peer; they are read
    once before signing too, because a signature cannot be taken back.
    """
    header = json.dumps({"alg": alg.value, "kid": kid, "typ": "JWT"}, separators=(",", ":")).encode()
    signed = f"{base64url.encode(header)}.{base64url.encode(claims.encode())}"
    JwtSvid.parse(f"{signed}.{base64url.encode(b'unsigned')}")
    return JwtSvid.parse(f"{signed}.{base64url.encode(alg.jws_signature(sign(signed.encode())))}").token


def _check_signature(svid: JwtSvid, bundles: BundleSet) -> None:
    bundle = bundle_of(svid.spiffe_id.trust_domain, bundles)
    if not bundle.jwt_authorities:
        raise Refused(
            code="no-jwt-authorities",
            what=f"the JWT-SVID of {svid.spiffe_id} cannot be verified",
            why=f"the bundle of {bundle.trust_domain} holds no JWT authority (JWT-SVID §6.2)",
            fix=f"ask the operators of {bundle.trust_domain} whether they offer JWT-SVIDs",
        )
    # `kid` may be left out (§2.2); then any of the domain's keys may have signed.
    candidates = [each for each in bundle.jwt_authorities if svid.kid in {None, each.kid}]
    signed, _, signature = svid.token.rpartition(".")
    raw = _from_base64(signature)
    if not any(svid.algorithm.verifies(signed.encode(), raw, each.public_key) for each in candidates):
        raise Refused(
            code="jwt-not-vouched-for",
            what=f"no JWT authority of {bundle.trust_domain} vouches for the token of {svid.spiffe_id}",
            why="its signature does not verify" if candidates else f"the bundle holds no key {svid.kid!r:.300}",
            fix="fetch a new token, and see that the bundle held is the newest",
        )


def _parts(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN_BYTES:
        raise _malformed(f"it has {len(token)} characters, more than {MAX_TOKEN_BYTES}")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise _malformed("it is not three parts with dots between: only the JWS compact form is allowed (§1)")
    header, payload, signature = parts
    return header, payload, signature


def _from_base64(part: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError as error:
        raise _malformed(f"a part of it is {error}") from error


def _key_id(header: Mapping[str, object]) -> str | None:
    if unknown := header.keys() - _HEADER_NAMES:
        raise _refuse_header(f"the header has {', '.join(sorted(unknown))!r:.200}", "it may hold alg, kid and typ (§2)")
    if "typ" in header and header["typ"] not in _TYPES:
        raise _refuse_header(f"the header's `typ` is {header['typ']!r:.100}", "it may be JWT or JOSE (§2.3)")
    kid = header.get("kid")
    if "kid" in header and (not isinstance(kid, str) or not kid):
        raise _refuse_header(f"the header's `kid` is {kid!r:.100}", "it is text, if it is there (§2.2)")
    return kid if isinstance(kid, str) else None


def _subject(claims: Mapping[str, object]) -> SpiffeId:
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise _refuse_claims("the token has no subject", "`sub` is the workload's SPIFFE ID (JWT-SVID §3.1)")
    spiffe_id = SpiffeId.parse(subject)
    if not spiffe_id.path:
        raise _refuse_claims(f"the token's subject is {spiffe_id}", "that names a trust domain and no workload (§3.1)")
    return spiffe_id


def _audiences(claims: Mapping[str, object]) -> tuple[str, ...]:
    named = claims.get("aud")
    audiences = [named] if isinstance(named, str) else named
    if (
        not isinstance(audiences, list)
        or not 1 <= len(audiences) <= MAX_AUDIENCES
        or not all(isinstance(each, str) and each for each in audiences)
    ):
        raise _refuse_claims(
            "the token names no audience", f"`aud` is one to {MAX_AUDIENCES} texts that are not empty (JWT-SVID §3.2)"
        )
    return tuple(audiences)


def _instant(claims: Mapping[str, object], name: str) -> datetime:
    seconds = claims.get(name)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LAST_SECOND:
        raise _refuse_claims(f"the token's `{name}` is no instant", "it is seconds since 1970 (JWT-SVID §3.3)")
    return datetime.fromtimestamp(seconds, UTC)


def _malformed(why: str) -> Refused:
    return Refused(
        code="bad-jwt", what="the text is not a JWT-SVID", why=why, fix="send the token as the Workload API gave it"
    )


def _refuse_header(what: str, why: str) -> Refused:
    return Refused(code="bad-jwt-header", what=what, why=why, fix="fetch a JWT-SVID from the Workload API")


def _refuse_claims(what: str, why: str) -> Refused:
    return Refused(
        code="bad-jwt-claims", what=what, why=why, fix="fetch a token for this workload and this very audience"
    )
