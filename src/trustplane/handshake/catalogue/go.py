"""Signatures of Go's `crypto/tls` and `crypto/x509`."""

from __future__ import annotations

from typing import Final

from trustplane.handshake.catalogue.openssl import ALERTED_BAD, ALERTED_CA, ALERTED_EXPIRED, ALERTED_UNKNOWN
from trustplane.handshake.failure import Implementation, Side, Tls
from trustplane.handshake.signature import Match, Signature, Voice

G = Implementation.GO
V, A, S = Voice.VERIFIER, Voice.ALERT, Voice.SILENCE
C = Side.CLIENT
B = Side.SERVER
X: Final = "x509: "
REMOTE: Final = "remote error: tls: "
WITHHELD: Final = (("withheld-client-certificate", 0.5), ("no-client-certificate", 0.5))

RULES: Final = (
    Signature(
        "go-expired", 52, G, Match((X + "certificate has expired or is not yet valid", " is after ")),
        (("leaf-expired", 0.65), ("issuer-expired", 0.25), ("clock-wrong", 0.1)), V,
        "the second instant in the text against the leaf's own end",
    ),
    Signature(
        "go-not-yet-valid", 52, G, Match((X + "certificate has expired or is not yet valid", " is before ")),
        (("not-yet-valid", 0.8), ("clock-wrong", 0.2)), V, "both clocks",
    ),
    Signature(
        "go-expired-or-not-yet", 52, G, Match((X + "certificate has expired or is not yet valid",)),
        (("leaf-expired", 0.55), ("not-yet-valid", 0.2), ("issuer-expired", 0.15), ("clock-wrong", 0.1)), V,
        "the instants that Go prints behind it",
    ),
    Signature(
        "go-same-name-other-key", 53, G, Match((X + "certificate signed by unknown authority", "candidate authority")),
        (("unknown-issuer", 1),), V, "a root made again under its old name: key ids, not names",
    ),
    Signature(
        "go-unknown-authority", 53, G, Match((X + "certificate signed by unknown authority",)),
        (("unknown-issuer", 0.55), ("missing-intermediate", 0.3), ("self-signed", 0.1), ("wrong-trust-domain", 0.05)),
        V,
        "authority key id against the bundle",
    ),
    Signature(
        "go-wrong-name", 54, G, Match((X + "certificate is valid for ", ", not ")), (("wrong-san", 1),), V,
        "the names presented", B,
    ),
    Signature(
        "go-no-name", 54, G, Match((X + "certificate is not valid for any names",)), (("wrong-san", 1),), V,
        "the certificate has no name", B,
    ),
    Signature(
        "go-no-address", 54, G, Match((X + "cannot validate certificate for",)), (("wrong-san", 1),), V,
        "the certificate has no such address", B,
    ),
    Signature(
        "go-common-name", 54, G, Match((X + "certificate relies on legacy common name",)), (("wrong-san", 1),), V,
        "the certificate has no alternative name", B,
    ),
    Signature(
        "go-wrong-usage", 55, G, Match((X + "certificate specifies an incompatible key usage",)),
        (("wrong-usage", 1),), V,
        "the extended key usage",
    ),
    Signature(
        "go-path-length", 56, G, Match((X + "too many intermediates for path length constraint",)),
        (("path-length", 1),),
        V, "path lengths of the chain",
    ),
    Signature(
        "go-name-constraint", 56, G, Match(("is not authorized to sign for this name",)), (("name-constraint", 1),), V,
        "name constraints of the chain",
    ),
    Signature(
        "go-certificate-required", 57, G, Match((REMOTE + "certificate required",)), WITHHELD, A,
        "a configured certificate means that Go withheld it: the server's bundle is behind", C,
    ),
    Signature(
        "go-handshake-failure", 57, G, Match((REMOTE + "handshake failure",), tls=Tls.V1_2),
        (("withheld-client-certificate", 0.35), ("no-client-certificate", 0.35), ("no-shared-cipher", 0.3)), A,
        "the server's record", C,
    ),
    Signature(
        "go-handshake-failure", 57, G, Match((REMOTE + "handshake failure",)),
        (("no-shared-cipher", 0.4), ("withheld-client-certificate", 0.3), ("no-client-certificate", 0.3)), A,
        "the server's record", C,
    ),
    Signature("go-alert-expired", 58, G, Match((REMOTE + "expired certificate",)), ALERTED_EXPIRED, A, "our dates", C),
    Signature("go-alert-revoked", 58, G, Match((REMOTE + "revoked certificate",)), (("revoked", 1),), A, "the list", C),
    Signature(
        "go-alert-usage", 58, G, Match((REMOTE + "unsupported certificate",)), (("wrong-usage", 1),), A,
        "the extended key usage", C,
    ),
    Signature(
        "go-alert-unknown-authority", 58, G, Match((REMOTE + "unknown certificate authority",)), ALERTED_CA, A,
        "the server's record", C,
    ),
    Signature(
        "go-alert-unknown", 58, G, Match((REMOTE + "unknown certificate",)), ALERTED_UNKNOWN, A, "the server's record",
        C,
    ),
    Signature(
        "go-alert-pin", 58, G, Match((REMOTE + "bad certificate hash value",)), (("pin-outdated", 1),), A, "the pin", C,
    ),
    Signature("go-alert-bad", 58, G, Match((REMOTE + "bad certificate",)), ALERTED_BAD, A, "the server's record", C),
    Signature(
        "go-alert-protocol", 58, G, Match((REMOTE + "protocol version not supported",)), (("version-mismatch", 1),), A,
        "TLS versions of both",
    ),
    Signature(
        "go-no-client-certificate", 59, G, Match(("tls: client didn't provide a certificate",)),
        (("no-client-certificate", 0.65), ("withheld-client-certificate", 0.35)), V, "the client's runtime", C,
    ),
    Signature(
        "go-protocol", 59, G, Match(("tls: client offered only unsupported versions",)), (("version-mismatch", 1),), V,
        "TLS versions of both", C,
    ),
    Signature(
        "go-no-cipher", 59, G, Match(("tls: no cipher suite supported by both",)), (("no-shared-cipher", 1),), V,
        "cipher lists of both",
    ),
    Signature(
        "go-plaintext-http", 60, G, Match(("client sent an http request to an https server",)),
        (("plaintext-to-tls", 1),), V, "who connects", C,
    ),
    Signature(
        "go-server-answers-plaintext", 60, G, Match(("server gave http response to https client",)),
        (("tls-to-plaintext", 1),), V, "whether the server's port has a sidecar", B,
    ),
    Signature(
        "go-not-tls", 60, G, Match(("tls: first record does not look like a tls handshake",), side=C),
        (("tls-to-plaintext", 0.9), ("not-tls", 0.1)), V, "whether the server's port has a sidecar", B,
    ),
    Signature(
        "go-not-tls", 60, G, Match(("tls: first record does not look like a tls handshake",)),
        (("plaintext-to-tls", 0.5), ("tls-to-plaintext", 0.3), ("not-tls", 0.2)), V, "whose record it is",
    ),
    Signature(
        "go-client-left", 61, G, Match(("tls handshake error", ": eof")), (("peer-closed", 1),), S,
        "rate and source: a prober is regular", C,
    ),
    Signature(
        "go-reset", 61, G, Match(("connection reset by peer",)),
        (("rejected-by-server", 0.4), ("peer-closed", 0.4), ("secret-not-delivered", 0.2)), S, "the server's record",
    ),
    Signature(
        "go-broken-pipe", 61, G, Match(("write: broken pipe",)),
        (("rejected-by-server", 0.4), ("peer-closed", 0.4), ("secret-not-delivered", 0.2)), S, "the server's record",
    ),
)  # fmt: skip
