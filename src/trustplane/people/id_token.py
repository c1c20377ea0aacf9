"""ID tokens of an OpenID provider, verified as OpenID Connect Core §3.1.3.7 says, and a little more strictly.

A token is believed when a key that its issuer publishes signed it, for us, just now, in answer to this very sign-in.
There is no `none` and no HMAC to choose: what is not in the list of algorithms does not exist here.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trustplane.fault import Refused
from trustplane.spiffe import base64url
from trustplane.spiffe.jwk import KNOWN_TYPES, from_jwk
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.public_keys import PublicKey
from trustplane.spiffe.strict_json import parse_object

MAX_TOKEN_BYTES = 32 * 1024
MAX_KEYS = 100
SKEW = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)  # as long as a sign-in may take
_AGAIN = "sign in again; if it stays, tell whoever runs the provider"
_ALGORITHMS = {one.value: one for one in JwtAlgorithm}
_LAST_SECOND = datetime.max.replace(tzinfo=UTC).timestamp() - 1


@dataclass(frozen=True, slots=True)
class SigningKey:
    kid: str | None
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Expected:
    issuer: str
    client_id: str
    nonce: str


def signing_keys(document: Mapping[str, object]) -> tuple[SigningKey, ...]:
    """Those of a JWK set that we can verify with; others are for others."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise Refused(
            code="id-token-keys",
            what="the provider's keys are no JWK set",
            why=f"it lists up to {MAX_KEYS} keys",
            fix=_AGAIN,
        )
    found = []
    for one in listed:
        if not isinstance(one, dict) or one.get("kty") not in KNOWN_TYPES or one.get("use", "sig") != "sig":
            continue
        kid = one.get("kid")
        try:
            found.append(SigningKey(kid if isinstance(kid, str) else None, from_jwk(one, "a key of the provider")))
        except Refused:
            continue
    return tuple(found)


def key_id(token: str) -> str | None:
    """Which key to look for. Nothing of it is believed yet."""
    return _Parts.of(token).kid


def verified(token: str, keys: Sequence[SigningKey], expected: Expected, at: datetime) -> Mapping[str, object]:
    """Its claims."""
    parts = _Parts.of(token)
    candidates = [one.key for one in keys if parts.kid in {None, one.kid}]
    if not any(parts.algorithm.verifies(parts.signed, parts.signature, key) for key in candidates):
        why = "its signature does not verify" if candidates else "the provider publishes no key of that name"
        raise Refused(
            code="id-token-signature", what="no key of the provider vouches for the ID token", why=why, fix=_AGAIN
        )
    claims = parse_object(parts.payload, "the claims of the ID token", MAX_TOKEN_BYTES)
    _check_parties(claims, expected)
    _check_times(claims, at)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise Refused(
            code="id-token-nonce",
            what="the ID token answers another sign-in",
            why="its nonce is not the one sent",
            fix=_AGAIN,
        )
    return claims


@dataclass(frozen=True, slots=True)
class _Parts:
    algorithm: JwtAlgorithm
    kid: str | None
    payload: bytes
    signature: bytes
    signed: bytes

    @classmethod
    def of(cls, token: str) -> _Parts:
        if len(token) > MAX_TOKEN_BYTES:
            raise Refused(
                code="id-token-malformed",
                what="the ID token is huge",
                why=f"at most {MAX_TOKEN_BYTES} characters are read",
                fix=_AGAIN,
            )
        parts = token.split(".")
        try:
            header, payload, signature = [base64url.decode(part) for part in parts]
        except ValueError as error:
            why = "it is not three parts of base64url with dots between"
            raise Refused(code="id-token-malformed", what="the ID token cannot be read", why=why, fix=_AGAIN) from error
        fields = parse_object(header, "the header of the ID token", MAX_TOKEN_BYTES)
        algorithm = _ALGORITHMS.get(str(fields.get("alg")))
        if algorithm is None:
            raise Refused(
                code="id-token-algorithm",
                what=f"the ID token is signed with {fields.get('alg')!r:.60}",
                why=f"one of {', '.join(_ALGORITHMS)} is taken",
                fix=_AGAIN,
            )
        if "crit" in fields:
            raise Refused(
                code="id-token-malformed",
                what="the ID token has critical extensions",
                why="none is known here",
                fix=_AGAIN,
            )
        kid = fields.get("kid")
        signed = token.rpartition(".")[0].encode()
        return cls(algorithm, kid if isinstance(kid, str) else None, payload, signature, signed)


def _check_parties(claims: Mapping[str, object], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise Refused(
            code="id-token-issuer",
            what=f"the ID token was issued by {claims.get('iss')!r:.200}",
            why=f"only {expected.issuer} is believed",
            fix=_AGAIN,
        )
    named = claims.get("aud")
    audiences = [named] if isinstance(named, str) else named
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        raise Refused(
            code="id-token-audience",
            what=f"the ID token is for {named!r:.200}",
            why="it is not for this console",
            fix=_AGAIN,
        )
    party = claims.get("azp")
    if (party is None and len(audiences) > 1) or (party is not None and party != expected.client_id):
        raise Refused(
            code="id-token-audience",
            what="the ID token was issued to another client",
            why=f"its `azp` is {party!r:.100}",
            fix=_AGAIN,
        )


def _check_times(claims: Mapping[str, object], at: datetime) -> None:
    ends, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if at >= ends + SKEW:
        raise Refused(
            code="id-token-expired",
            what=f"the ID token expired at {ends.isoformat()}",
            why=f"it is {at.isoformat()}",
            fix=_AGAIN,
        )
    starts = max(issued, _instant(claims, "nbf") if "nbf" in claims else issued)
    if starts > at + SKEW:
        raise Refused(
            code="id-token-expired",
            what=f"the ID token is of {starts.isoformat()}",
            why=f"it is {at.isoformat()} here",
            fix=_AGAIN,
        )
    if at - issued > OLDEST + SKEW:
        raise Refused(
            code="id-token-expired",
            what=f"the ID token is of {issued.isoformat()}",
            why="no sign-in takes so long",
            fix=_AGAIN,
        )


def _instant(claims: Mapping[str, object], name: str) -> datetime:
    seconds = claims.get(name)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LAST_SECOND:
        raise Refused(
            code="id-token-malformed",
            what=f"the ID token's `{name}` is no instant",
            why="it is seconds since 1970",
            fix=_AGAIN,
        )
    return datetime.fromtimestamp(seconds, UTC)
