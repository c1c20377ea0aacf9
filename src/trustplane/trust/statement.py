"""What a trust domain says of its participants: which bundle of ours they hold. Signed, small, and read strictly.

A JWS in compact form, signed by a JWT authority that is in the speaker's bundle: those keys are not part of a change of
root, so that both sides can change theirs at once (docs/decisions/0418). Its `typ` is its own and it has no subject, so
that no verifier takes it for a JWT-SVID, nor we a JWT-SVID for it. Exactly one spelling of each statement is read.

It promises: nothing in it is read before its signature is verified by a key of the very domain that was asked; it is
about our bundle and for us; it is fresh; and what one domain says never goes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from urllib.parse import urljoin

from trustplane.fault import Refused
from trustplane.spiffe import base64url
from trustplane.spiffe.bundle import MAX_SEQUENCE, Bundle
from trustplane.spiffe.federation_endpoint import EndpointUrl
from trustplane.spiffe.ids import TrustDomain
from trustplane.spiffe.jwt_algorithm import JwtAlgorithm
from trustplane.spiffe.strict_json import parse_object

PATH = "uptake"  # beside the bundle; then the trust domain that it is about
TYPE = "trustplane-uptake+jwt"
MAX_STATEMENT_BYTES = 4096
MAX_BEHIND = 10**9
LONGEST_LIFE = timedelta(minutes=10)
SKEW = timedelta(minutes=1)  # how far ahead of ours the speaker's clock may be

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}")
_HEADER_NAMES = {"alg", "kid", "typ"}
_LAST_SECOND = 253402300799  # of the year 9999


@dataclass(frozen=True, slots=True)
class Statement:
    """All participants of `by` that verify `about`, but for so many that are `behind`, hold exactly this bundle.

    `x509_digest` is that of its X.509 part. Who is behind is not said: that is the speaker's own to know.
    """

    by: TrustDomain
    about: TrustDomain
    sequence: int
    digest: str
    x509_digest: str
    behind: int
    issued_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        if self.by == self.about:
            raise _malformed(f"{self.by} says something of itself")
        if not 0 <= self.sequence <= MAX_SEQUENCE or not 0 <= self.behind <= MAX_BEHIND:
            raise _malformed(f"sequence {self.sequence} or {self.behind} participants behind is out of bounds")
        if not _DIGEST.fullmatch(self.digest) or not _DIGEST.fullmatch(self.x509_digest):
            raise _malformed("a digest is no SHA-256 in lower-case hexadecimal")
        if self.issued_at.microsecond or self.expires_at.microsecond:
            raise _malformed("its instants are not whole seconds")
        if not self.issued_at < self.expires_at <= self.issued_at + LONGEST_LIFE:
            raise _malformed(f"it does not end within {LONGEST_LIFE} of its beginning")

    def says_the_same(self, other: Statement) -> bool:
        """But for when."""
        mine = (self.by, self.about, self.sequence, self.digest, self.behind)
        return mine == (other.by, other.about, other.sequence, other.digest, other.behind)

    def proves(self, bundle: Bundle) -> bool:
        """Whether it says of all of them that they hold the X.509 authorities of `bundle`, and no others."""
        return self.behind == 0 and compare_digest(self.x509_digest, bundle.x509_digest)


def shown_at(endpoint: EndpointUrl, about: TrustDomain) -> EndpointUrl:
    """Where the statement about a trust domain is shown by who publishes its bundle at `endpoint`."""
    return EndpointUrl(urljoin(endpoint.text, f"{PATH}/{about.name}"))


def sign(statement: Statement, kid: str, sign_message: Callable[[bytes], bytes]) -> bytes:
    """`sign_message` answers as an authority's key does: ECDSA with SHA-256, in DER."""
    algorithm = JwtAlgorithm.ES256
    header = _dump({"alg": algorithm.value, "kid": kid, "typ": TYPE})
    signed = f"{base64url.encode(header)}.{base64url.encode(_claims(statement))}"
    signature = algorithm.jws_signature(sign_message(signed.encode()))
    return f"{signed}.{base64url.encode(signature)}".encode()


def verified(document: bytes, speaker: Bundle, about: TrustDomain, at: datetime) -> Statement:
    """The statement in `document`, if the newest bundle held of the domain that was asked vouches for it, now."""
    signed, claims, signature = _parts(document)
    header = parse_object(_decoded(signed.partition(".")[0]), "the header of the statement", MAX_STATEMENT_BYTES)
    _check_signature(header, signed, signature, speaker)
    statement = _statement(_decoded(claims))
    name = speaker.trust_domain
    if statement.by != name:
        raise Refused(
            code="statement-of-another-domain",
            what=f"{name} showed a statement of {statement.by}",
            why="it is not its own",
            fix="have the operators of that endpoint look at what it serves; nothing of it is believed",
        )
    if statement.about != about:
        raise Refused(
            code="statement-about-another-domain",
            what=f"{name} showed a statement about {statement.about}",
            why=f"it was asked about {about}",
            fix="have the operators of that endpoint look at what it serves; nothing of it is believed",
        )
    if statement.issued_at > at + SKEW or at >= statement.expires_at:
        raise Refused(
            code="statement-not-fresh",
            what=f"{name} showed a statement of {statement.issued_at:%Y-%m-%d %H:%M:%S} UTC",
            why=f"it ended {statement.expires_at:%H:%M:%S}, and it is {at:%Y-%m-%d %H:%M:%S} UTC here",
            fix="compare the clocks of both sides; it is asked again soon",
        )
    return statement


def check_newer(before: Statement | None, after: Statement) -> None:
    """A statement that was shown once is not shown again for a newer one, nor does its sequence go back."""
    if before is None:
        return
    if after.issued_at < before.issued_at:
        raise Refused(
            code="statement-went-back",
            what=f"{after.by} showed a statement of {after.issued_at:%Y-%m-%d %H:%M:%S} UTC",
            why=f"one of {before.issued_at:%Y-%m-%d %H:%M:%S} is known, so this one is old or was kept by somebody",
            fix="see whether something between keeps what it has served; it is asked again soon",
        )
    if after.sequence < before.sequence:
        raise Refused(
            code="statement-sequence-went-back",
            what=f"{after.by} says that it holds sequence {after.sequence} of our bundle",
            why=f"it has held {before.sequence}, and a bundle never goes back (Trust Domain and Bundle §4.1.1)",
            fix="ask its operators whether they began anew; then: trustplane federation forget, here",
        )
    _check_content(after, before.sequence, before.digest)


def check_ours(statement: Statement, published: Bundle) -> None:
    """It is about something that we have published."""
    newest = published.sequence or 0
    if statement.sequence > newest:
        raise Refused(
            code="statement-of-unpublished-bundle",
            what=f"{statement.by} says that it holds sequence {statement.sequence} of our bundle",
            why=f"{newest} is the newest that was published here",
            fix="compare trustplane federation status on both sides; it may be about another trust domain of our name",
        )
    _check_content(statement, newest, published.digest)


def _check_content(statement: Statement, sequence: int, digest: str) -> None:
    if statement.sequence == sequence and not compare_digest(statement.digest, digest):
        raise Refused(
            code="statement-of-other-content",
            what=f"under sequence {sequence} of our bundle {statement.by} holds another content than ours",
            why="a sequence names one content (Trust Domain and Bundle §4.1.1): somebody serves it another as ours",
            fix="compare digests by another channel: trustplane federation status, on both sides",
        )


def _parts(document: bytes) -> tuple[str, str, str]:
    """What is signed, the claims in it, and the signature."""
    if len(document) > MAX_STATEMENT_BYTES:
        raise _malformed(f"it has {len(document)} bytes, more than {MAX_STATEMENT_BYTES}")
    try:
        text = document.decode("ascii")
    except UnicodeDecodeError as error:
        raise _malformed("it is not ASCII") from error
    parts = text.split(".")
    if len(parts) != 3 or not all(parts):
        raise _malformed("it is not three parts with dots between (RFC 7515, compact form)")
    return f"{parts[0]}.{parts[1]}", parts[1], parts[2]


def _check_signature(header: Mapping[str, object], signed: str, signature: str, speaker: Bundle) -> None:
    if header.keys() != _HEADER_NAMES or header["typ"] != TYPE:
        raise _malformed(f"its header is not alg, kid, and typ {TYPE}")
    algorithm = JwtAlgorithm.named(header["alg"])
    key = next((each.public_key for each in speaker.jwt_authorities if each.kid == header["kid"]), None)
    if key is None or not algorithm.verifies(signed.encode(), _decoded(signature), key):
        raise Refused(
            code="statement-not-vouched-for",
            what=f"no JWT authority of {speaker.trust_domain} vouches for the statement it showed",
            why="its signature does not verify" if key else f"the bundle held of it has no key {header['kid']!r:.100}",
            fix="nothing, if its bundle is about to be fetched: trustplane federation refresh; else ask its operators",
        )


def _claims(statement: Statement) -> bytes:
    return _dump(
        {
            "iss": str(statement.by.id),
            "aud": str(statement.about.id),
            "iat": int(statement.issued_at.timestamp()),
            "exp": int(statement.expires_at.timestamp()),
            "sequence": str(statement.sequence),  # 64 bits are not kept by every reader of JSON numbers
            "digest": statement.digest,
            "x509_digest": statement.x509_digest,
            "behind": statement.behind,
        }
    )


def _statement(claims: bytes) -> Statement:
    fields = parse_object(claims, "the statement", MAX_STATEMENT_BYTES)
    sequence, behind = _text(fields, "sequence"), _number(fields, "behind")
    if not _NUMBER.fullmatch(sequence):
        raise _malformed(f"its sequence is {sequence!r:.60}")
    found = Statement(
        by=_domain(fields, "iss"),
        about=_domain(fields, "aud"),
        sequence=int(sequence),
        digest=_text(fields, "digest"),
        x509_digest=_text(fields, "x509_digest"),
        behind=behind,
        issued_at=datetime.fromtimestamp(_number(fields, "iat"), UTC),
        expires_at=datetime.fromtimestamp(_number(fields, "exp"), UTC),
    )
    if _claims(found) != claims:
        raise _malformed("it says more than a statement does, or spells it otherwise")
    return found


def _domain(fields: Mapping[str, object], name: str) -> TrustDomain:
    return TrustDomain(_text(fields, name).removeprefix("spiffe://"))


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _malformed(f"its `{name}` is not text")
    return value


def _number(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LAST_SECOND:
        raise _malformed(f"its `{name}` is not a whole number within bounds")
    return value


def _decoded(part: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError as error:
        raise _malformed(f"a part of it is {error}") from error


def _dump(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _malformed(why: str) -> Refused:
    return Refused(
        code="bad-statement",
        what="what was shown is no statement of uptake",
        why=why,
        fix="have its operators look at what their endpoint serves",
    )
