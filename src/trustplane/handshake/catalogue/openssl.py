"""Signatures of OpenSSL 3, of CPython's `ssl` and of curl, which stand on it."""

from __future__ import annotations

from typing import Final

from trustplane.handshake.failure import Implementation, Side, Tls
from trustplane.handshake.signature import Match, Signature, Voice

L = Implementation.OPENSSL
P = Implementation.PYTHON
U = Implementation.CURL
V, A, S, O = Voice.VERIFIER, Voice.ALERT, Voice.SILENCE, Voice.OWN  # noqa: E741 - one letter each keeps a row one line
C = Side.CLIENT
B = Side.SERVER
EXPIRED: Final = (
    ("leaf-expired", 0.6), ("issuer-expired", 0.2), ("root-expired", 0.1), ("clock-wrong", 0.1),
)  # fmt: skip
NOT_YET: Final = (("not-yet-valid", 0.8), ("clock-wrong", 0.2))
NO_ROOT: Final = (("unknown-issuer", 0.6), ("missing-intermediate", 0.3), ("wrong-trust-domain", 0.1))
NO_CHAIN: Final = (("missing-intermediate", 0.6), ("unknown-issuer", 0.4))
SELF: Final = (("self-signed", 0.9), ("unknown-issuer", 0.1))
SELF_IN_CHAIN: Final = (("unknown-issuer", 0.95), ("wrong-trust-domain", 0.05))
NO_CERTIFICATE: Final = (("no-client-certificate", 0.7), ("withheld-client-certificate", 0.3))
ALERTED_EXPIRED: Final = (
    ("leaf-expired", 0.4), ("issuer-expired", 0.2), ("not-yet-valid", 0.15), ("crl-expired", 0.15),
    ("root-expired", 0.05), ("clock-wrong", 0.05),
)  # fmt: skip
ALERTED_CA: Final = (
    ("unknown-issuer", 0.5), ("missing-intermediate", 0.2), ("self-signed", 0.1), ("crl-missing", 0.1),
    ("path-length", 0.05), ("verify-depth", 0.05),
)  # fmt: skip
ALERTED_BAD: Final = (
    ("not-yet-valid", 0.3), ("no-client-certificate", 0.25), ("wrong-usage", 0.2), ("path-length", 0.15),
    ("name-constraint", 0.1),
)  # fmt: skip
ALERTED_UNKNOWN: Final = (
    ("wrong-san", 0.4), ("wrong-trust-domain", 0.2), ("name-constraint", 0.15), ("unknown-issuer", 0.15),
    ("leaf-expired", 0.1),
)  # fmt: skip
SILENT: Final = (
    ("rejected-by-server", 0.5), ("peer-closed", 0.3), ("secret-not-delivered", 0.1), ("plaintext-to-tls", 0.1),
)  # fmt: skip

# What the verifier says is the same in all three; only the words before it differ.
_VERIFIED: Final = (
    ("revoked", 51, ("certificate revoked",), (("revoked", 1.0),), "the serial number in the verifier's list"),
    ("crl-expired", 51, ("crl has expired",), (("crl-expired", 0.9), ("clock-wrong", 0.1)), "nextUpdate of the list"),
    (
        "crl-not-yet-valid",
        51,
        ("crl is not yet valid",),
        (("crl-expired", 0.5), ("clock-wrong", 0.5)),
        "thisUpdate of the list against the clock",
    ),
    ("crl-missing", 51, ("unable to get certificate crl",), (("crl-missing", 1.0),), "lists for every authority"),
    ("expired", 36, ("certificate has expired",), EXPIRED, "the depth line above it, where there is one"),
    ("not-yet-valid", 37, ("certificate is not yet valid",), NOT_YET, "the certificate's start against both clocks"),
    ("no-root", 38, ("unable to get local issuer certificate",), NO_ROOT, "authority key id against the bundle"),
    ("no-chain", 38, ("unable to verify the first certificate",), NO_CHAIN, "authority key id against the bundle"),
    (
        "self-signed-in-chain",
        39,
        ("self-signed certificate in certificate chain",),
        SELF_IN_CHAIN,
        "the bundle's roots",
    ),
    # OpenSSL before 3.0 wrote it without a hyphen.
    (
        "self-signed-in-chain",
        39,
        ("self signed certificate in certificate chain",),
        SELF_IN_CHAIN,
        "the bundle's roots",
    ),
    ("self-signed", 39, ("self-signed certificate",), SELF, "issuer and subject of the leaf"),
    ("self-signed", 39, ("self signed certificate",), SELF, "issuer and subject of the leaf"),
    ("wrong-usage", 40, ("unsuitable certificate purpose",), (("wrong-usage", 1.0),), "the extended key usage"),
    ("path-length", 41, ("path length constraint exceeded",), (("path-length", 1.0),), "path lengths of the chain"),
    ("name-constraint", 41, ("permitted subtree violation",), (("name-constraint", 1.0),), "name constraints"),
    ("bad-signature", 41, ("certificate signature failure",), (("bad-signature", 1.0),), "the chain's signatures"),
    ("name-mismatch", 42, ("hostname mismatch",), (("wrong-san", 1.0),), "the names presented"),
    ("depth", 41, ("certificate chain too long",), (("verify-depth", 1.0),), "length of the chain against the limit"),
)
_ALERTED: Final = (
    ("expired", 46, ("alert certificate expired",), ALERTED_EXPIRED),
    ("unknown-ca", 47, ("alert unknown ca",), ALERTED_CA),
    ("revoked", 47, ("alert certificate revoked",), (("revoked", 1.0),)),
    ("usage", 47, ("alert unsupported certificate",), (("wrong-usage", 1.0),)),
    ("pin", 47, ("bad certificate hash value",), (("pin-outdated", 1.0),)),
    ("bad-certificate", 47, ("alert bad certificate",), ALERTED_BAD),
    ("unknown-certificate", 47, ("alert certificate unknown",), ALERTED_UNKNOWN),
    ("certificate-required", 43, ("alert certificate required",), NO_CERTIFICATE),
    ("protocol", 49, ("alert protocol version",), (("version-mismatch", 1.0),)),
    (
        "handshake", 47, ("alert handshake failure",),
        (("no-client-certificate", 0.5), ("no-shared-cipher", 0.3), ("withheld-client-certificate", 0.1),
         ("no-shared-group", 0.1)),
    ),
)  # fmt: skip
_BOTH: Final = (
    ("wrong-version", 49, ("wrong version number",), (("tls-to-plaintext", 0.9), ("not-tls", 0.1)), V),
    ("not-tls", 49, ("packet length too long",), (("tls-to-plaintext", 0.5), ("not-tls", 0.5)), V),
    ("record-layer", 49, ("record layer failure",), (("tls-to-plaintext", 0.6), ("not-tls", 0.4)), V),
    ("no-certificate", 51, ("peer did not return a certificate",), NO_CERTIFICATE, V),
    ("plaintext", 51, (":http request",), (("plaintext-to-tls", 1.0),), V),
    ("plaintext-python", 51, ("[ssl: http request]",), (("plaintext-to-tls", 1.0),), V),
    ("no-shared-cipher", 51, ("no shared cipher",), (("no-shared-cipher", 1.0),), V),
    ("no-shared-group", 51, ("no suitable key share",), (("no-shared-group", 1.0),), V),
    ("no-signature", 51, ("no suitable signature algorithm",), (("no-shared-signature", 1.0),), V),
    ("protocol", 51, ("unsupported protocol",), (("version-mismatch", 1.0),), V),
    ("no-protocols", 51, ("no protocols available",), (("version-mismatch", 1.0),), O),
    ("weak-key", 48, ("ee key too small",), (("weak-key", 1.0),), O),
    ("weak-ca-key", 48, ("ca key too small",), (("weak-key", 1.0),), O),
    ("key-mismatch", 48, ("key values mismatch",), (("key-mismatch", 1.0),), O),
)


def _of(implementation: Implementation, before: str) -> tuple[Signature, ...]:
    """`before` is what stands in front of a verifier's verdict in this implementation."""
    name = implementation.value
    verified = [
        Signature(f"{name}-{id_}", number, implementation, Match((before, *words)), causes, V, tells)
        for id_, number, words, causes, tells in _VERIFIED
    ]
    alerted = [
        Signature(
            f"{name}-alert-{id_}", number, implementation, Match(words), causes, A,
            "the other side's record, and what runs there", C,
        )
        for id_, number, words, causes in _ALERTED
    ]  # fmt: skip
    both = [
        Signature(
            f"{name}-{id_}", number, implementation, Match(words), causes, voice, "the other side's configuration"
        )
        for id_, number, words, causes, voice in _BOTH
    ]
    return (*verified, *alerted, *both)


_PYTHON: Final = (
    Signature(
        "python-name-mismatch", 42, P, Match(("hostname mismatch",)), (("wrong-san", 1),), V, "the names presented", B
    ),
    Signature(
        "python-address-mismatch", 42, P, Match(("ip address mismatch",)), (("wrong-san", 1),), V,
        "the names presented", B
    ),
    Signature(
        "python-closed-in-handshake", 50, P, Match(("unexpected eof while reading",)),
        (("peer-closed", 0.4), ("secret-not-delivered", 0.3), ("rejected-by-server", 0.2), ("no-filter-chain", 0.1)), S,
        "the server's record",
    ),
    Signature(
        "python-closed-after-handshake", 44, P, Match(("eof occurred in violation of protocol",)), SILENT, S,
        "the server's record: in TLS 1.3 connect() succeeds before the server has looked", C,
    ),
    Signature(
        "python-connection-refused", 32, P, Match(("connectionrefusederror",)), (("connection-refused", 1),), O,
        "whether anything listens",
    ),
    Signature(
        "python-timeout", 32, P, Match(("timeouterror",)), (("handshake-timeout", 0.6), ("connection-refused", 0.4)), S,
        "whether the server's port is reached",
    ),
    Signature(
        "python-reset", 44, P, Match(("connectionreseterror",)), SILENT, S, "the server's record", C,
    ),
    Signature(
        "python-broken-pipe", 44, P, Match(("brokenpipeerror",)), SILENT, S, "the server's record", C,
    ),
)  # fmt: skip
_CURL: Final = (
    Signature(
        "curl-name-mismatch", 42, U, Match(("no alternative certificate subject name matches",)), (("wrong-san", 1),),
        V,
        "the names presented", B,
    ),
    Signature(
        "curl-no-name", 42, U, Match(("certificate subject name", "does not match")), (("wrong-san", 1),), V,
        "the certificate has no alternative name", B,
    ),
    Signature(
        "curl-rejected-in-1.3", 45, U, Match(("getpeername() failed",)), SILENT, S, "the server's record", C,
    ),
    Signature(
        "curl-own-certificate-refused", 46, U, Match(("(60) ssl certificate verification failed",), tls=Tls.V1_2),
        ALERTED_EXPIRED, A, "curl -v: an alert that was received is about our own certificate", C,
    ),
    Signature(
        "curl-reset", 45, U, Match(("connection reset by peer",)), SILENT, S, "the server's record", C,
    ),
    Signature(
        "curl-broken-pipe", 45, U, Match(("send failure", "broken pipe")), SILENT, S, "the server's record", C,
    ),
    Signature(
        "curl-closed", 45, U, Match(("unexpected eof",)), SILENT, S, "the server's record", C,
    ),
    Signature(
        "curl-connection-refused", 45, U, Match(("connection refused",)), (("connection-refused", 1),), O,
        "whether anything listens",
    ),
    Signature(
        "curl-empty-reply", 45, U, Match(("empty reply from server",)), SILENT, S, "the server's record", C,
    ),
)  # fmt: skip
_OPENSSL: Final = (
    Signature(
        "openssl-closed", 50, L, Match(("unexpected eof while reading",)),
        (("peer-closed", 0.4), ("secret-not-delivered", 0.3), ("rejected-by-server", 0.2), ("no-filter-chain", 0.1)), S,
        "the server's record",
    ),
    Signature(
        "openssl-verify-failed", 51, L, Match((":certificate verify failed",)),
        (("unknown-issuer", 0.35), ("leaf-expired", 0.3), ("missing-intermediate", 0.2), ("wrong-usage", 0.1),
         ("not-yet-valid", 0.05)), V, "the verify error above it",
    ),
    Signature(
        "openssl-leaf-expired", 36, L, Match(("depth=0", "certificate has expired")),
        (("leaf-expired", 0.85), ("clock-wrong", 0.15)), V, "the leaf's end against both clocks",
    ),
    Signature(
        "openssl-unknown-issuer-of-leaf", 38, L, Match(("depth=0", "unable to get local issuer certificate")),
        (("missing-intermediate", 0.5), ("unknown-issuer", 0.4), ("wrong-trust-domain", 0.1)), V,
        "the leaf's authority key id against the key ids in the bundle",
    ),
    Signature(
        "openssl-unknown-root", 38, L, Match(("depth=", "unable to get local issuer certificate"), never=("depth=0",)),
        (("unknown-issuer", 0.85), ("verify-depth", 0.1), ("wrong-trust-domain", 0.05)), V,
        "authority key id of the chain's last certificate against the bundle",
    ),
    Signature(
        "openssl-authority-expired", 36, L, Match(("depth=", "certificate has expired"), never=("depth=0",)),
        (("issuer-expired", 0.6), ("root-expired", 0.35), ("clock-wrong", 0.05)), V,
        "dates of the chain above the leaf",
    ),
)  # fmt: skip

RULES: Final = (
    *_OPENSSL[2:],
    *_of(L, "verify error:"),
    *_OPENSSL[:2],
    *_PYTHON,
    *_of(P, "certificate verify failed: "),
    *_CURL,
    *_of(U, "ssl certificate problem: "),
)
