"""Signatures of Envoy (BoringSSL), from its access logs and its configuration log.

Seen by injecting each fault in builds 1.36 to 1.40; `tests/scenarios/signatures` injects them again. Builds before 1.37
name no reason, and since 1.38 the reason is in the access log alone.
"""

from __future__ import annotations

from typing import Final

from trustplane.handshake.failure import Implementation, Side, Tls
from trustplane.handshake.signature import Match, Signature, Voice

E = Implementation.ENVOY
V, W, A, S, O = Voice.VERIFIER, Voice.UNEXPLAINED, Voice.ALERT, Voice.SILENCE, Voice.OWN  # noqa: E741 - one letter each keeps a row one line
C = Side.CLIENT
B = Side.SERVER
FAILED: Final = "verify cert failed: "
AT_LEAF: Final = "at depth 0: "
# Clients that have one alert for all they find wrong. What is left is how often each is wrong at all.
FROM_GO: Final = (
    ("unknown-issuer", 0.3), ("leaf-expired", 0.2), ("wrong-san", 0.18), ("missing-intermediate", 0.1),
    ("issuer-expired", 0.05), ("not-yet-valid", 0.05), ("wrong-usage", 0.03), ("self-signed", 0.03),
    ("path-length", 0.02), ("name-constraint", 0.02), ("root-expired", 0.02),
)  # fmt: skip
FROM_JAVA: Final = (
    ("wrong-san", 0.3), ("unknown-issuer", 0.2), ("wrong-trust-domain", 0.1), ("missing-intermediate", 0.08),
    ("name-constraint", 0.07), ("leaf-expired", 0.07), ("issuer-expired", 0.04), ("not-yet-valid", 0.04),
    ("wrong-usage", 0.03), ("self-signed", 0.03), ("path-length", 0.02), ("root-expired", 0.02),
)  # fmt: skip

RULES: Final = (
    Signature(
        "envoy-revoked", 12, E, Match((FAILED, "certificate revoked")), (("revoked", 1),), V,
        "the serial number in the verifier's list",
    ),
    Signature(
        "envoy-crl-expired", 13, E, Match((FAILED, "crl has expired")),
        (("crl-expired", 0.9), ("clock-wrong", 0.1)),
        V, "nextUpdate of the verifier's list against its clock",
    ),
    Signature(
        "envoy-crl-not-yet-valid", 13, E, Match((FAILED, "crl is not yet valid")),
        (("crl-expired", 0.5), ("clock-wrong", 0.5)), V, "thisUpdate of the verifier's list against its clock",
    ),
    Signature(
        "envoy-crl-missing", 13, E, Match((FAILED, "unable to get certificate crl")), (("crl-missing", 1),), V,
        "a usable list for every authority of the chain",
    ),
    Signature(
        "envoy-leaf-expired", 1, E, Match((FAILED, AT_LEAF + "certificate has expired")),
        (("leaf-expired", 0.85), ("clock-wrong", 0.15)), V,
        "the leaf's end against both clocks; a verifier that refuses everyone has a wrong clock",
    ),
    Signature(
        "envoy-root-expired", 2, E, Match((FAILED, "at depth 2: certificate has expired")),
        (("root-expired", 0.85), ("issuer-expired", 0.1), ("clock-wrong", 0.05)), V,
        "dates of the chain above the leaf",
    ),
    Signature(
        "envoy-issuer-expired", 2, E, Match((FAILED, "certificate has expired")),
        (("issuer-expired", 0.8), ("root-expired", 0.15), ("clock-wrong", 0.05)), V,
        "dates of the chain above the leaf",
    ),
    Signature(
        "envoy-not-yet-valid", 3, E, Match((FAILED, "certificate is not yet valid")),
        (("not-yet-valid", 0.8), ("clock-wrong", 0.2)), V, "the certificate's start against both clocks",
    ),
    Signature(
        "envoy-self-signed", 4, E, Match((FAILED, "self-signed certificate"), never=("certificate chain",)),
        (("self-signed", 1),), V, "issuer and subject of the leaf",
    ),
    Signature(
        "envoy-self-signed", 4, E, Match((FAILED, "self signed certificate"), never=("certificate chain",)),
        (("self-signed", 1),), V, "issuer and subject of the leaf",
    ),
    Signature(
        "envoy-unknown-issuer-of-leaf", 4, E, Match((FAILED, AT_LEAF + "unable to get local issuer certificate")),
        (("missing-intermediate", 0.5), ("unknown-issuer", 0.35), ("self-signed", 0.1), ("wrong-trust-domain", 0.05)),
        V,
        "the leaf's authority key id against the key ids in the verifier's bundle",
    ),
    Signature(
        "envoy-unknown-root", 5, E, Match((FAILED, "unable to get local issuer certificate")),
        (("unknown-issuer", 0.75), ("verify-depth", 0.15), ("wrong-trust-domain", 0.1)), V,
        "the chain's last authority key id against the verifier's bundle; the length of the chain against the limit",
    ),
    Signature(
        "envoy-partial-bundle", 5, E, Match((FAILED, "unable to get issuer certificate")),
        (("unknown-issuer", 0.8), ("verify-depth", 0.2)), V,
        "whether the bundle holds the root or an intermediate alone",
    ),
    Signature(
        "envoy-bad-signature", 4, E, Match((FAILED, "certificate signature failure")), (("bad-signature", 1),), V,
        "trustplane svid verify on the chain",
    ),
    Signature(
        "envoy-depth-limit", 5, E, Match((FAILED, "certificate chain too long")), (("verify-depth", 1),), V,
        "the length of the chain against the limit",
    ),
    Signature(
        "envoy-wrong-usage", 6, E, Match((FAILED, "unsupported certificate purpose")), (("wrong-usage", 1),), V,
        "the leaf's extended key usage",
    ),
    Signature(
        "envoy-path-length", 7, E, Match((FAILED, "path length constraint exceeded")), (("path-length", 1),), V,
        "path lengths of the chain",
    ),
    Signature(
        "envoy-name-constraint", 8, E, Match((FAILED, "permitted subtree violation")), (("name-constraint", 1),), V,
        "name constraints of the chain",
    ),
    Signature(
        "envoy-name-constraint", 8, E, Match((FAILED, "excluded subtree violation")), (("name-constraint", 1),), V,
        "name constraints of the chain",
    ),
    Signature(
        "envoy-ca-as-leaf", 6, E, Match((FAILED, "cert precheck")), (("wrong-usage", 1),), V,
        "the SPIFFE validator takes no authority as a leaf",
    ),
    Signature(
        "envoy-no-names", 9, E, Match((FAILED, "certificate sans are []")), (("wrong-san", 1),), V,
        "the certificate has no name at all",
    ),
    Signature(
        "envoy-wrong-name", 9, E, Match((FAILED, "san matcher, certificate sans are"), build=((1, 38), ())),
        (("wrong-san", 0.7), ("wrong-trust-domain", 0.3)), V, "the trust domain in the name presented",
    ),
    Signature(
        "envoy-wrong-name-unnamed", 9, E, Match((FAILED, "san match")),
        (("wrong-san", 0.7), ("wrong-trust-domain", 0.3)), V, "the name presented, from the peer's certificate",
    ),
    Signature(
        "envoy-wrong-name-old", 9, E, Match(("certificate verify failed", "verify san list"), build=((), (1, 37))),
        (("wrong-san", 0.7), ("wrong-trust-domain", 0.3)), V, "the name presented, from the peer's certificate",
    ),
    Signature(
        "envoy-no-bundle-for-domain", 10, E, Match((FAILED, "no trust bundle store")),
        (("wrong-trust-domain", 0.75), ("wrong-san", 0.25)), V,
        "the name presented: of a domain without a bundle, or no name at all",
    ),
    Signature(
        "envoy-pin", 11, E, Match((FAILED, "cert hash and spki")), (("pin-outdated", 1),), V, "the pin and the leaf",
    ),
    Signature(
        "envoy-verify-failed-other", 9, E, Match((FAILED,)),
        (("unknown", 0.4), ("unknown-issuer", 0.3), ("wrong-san", 0.3)), W, "a reason that is not in this catalogue",
    ),
    Signature(
        "envoy-verify-failed-unexplained", 9, E, Match(("internal:certificate verify failed",)),
        (("unknown-issuer", 0.25), ("leaf-expired", 0.2), ("wrong-san", 0.15), ("missing-intermediate", 0.1),
         ("not-yet-valid", 0.05), ("issuer-expired", 0.05), ("wrong-trust-domain", 0.05), ("wrong-usage", 0.03),
         ("revoked", 0.03), ("crl-expired", 0.02), ("crl-missing", 0.02), ("root-expired", 0.01), ("self-signed", 0.01),
         ("path-length", 0.01), ("name-constraint", 0.01), ("verify-depth", 0.005), ("pin-outdated", 0.005)), W,
        "this build names no reason: the presented chain and the verifier's bundle",
    ),
    Signature(
        "envoy-no-client-certificate", 14, E, Match(("peer did not return a certificate",), side=B),
        (("no-client-certificate", 0.65), ("withheld-client-certificate", 0.35)), V,
        "the client's runtime: Go and Java withhold what the server would not trust", C,
    ),
    Signature(
        "envoy-alert-unknown-ca", 15, E, Match(("tlsv1 alert unknown ca",)),
        (("unknown-issuer", 0.5), ("missing-intermediate", 0.2), ("crl-missing", 0.1), ("self-signed", 0.1),
         ("path-length", 0.05), ("verify-depth", 0.05)), A, "the other side's record of the same connection",
    ),
    Signature(
        "envoy-alert-expired", 16, E, Match(("sslv3 alert certificate expired",)),
        (("leaf-expired", 0.4), ("issuer-expired", 0.15), ("not-yet-valid", 0.15), ("crl-expired", 0.15),
         ("root-expired", 0.1), ("clock-wrong", 0.05)), A, "our own certificate's dates, and the other side's record",
    ),
    Signature(
        "envoy-alert-unknown-certificate-from-client", 17, E, Match(("sslv3 alert certificate unknown",), side=B),
        FROM_JAVA, A, "what runs the client: Java sends this for nearly everything, others for a name", B,
    ),
    Signature(
        "envoy-alert-unknown-certificate", 17, E, Match(("sslv3 alert certificate unknown",)),
        (("wrong-san", 0.4), ("wrong-trust-domain", 0.2), ("name-constraint", 0.15), ("unknown-issuer", 0.15),
         ("leaf-expired", 0.1)), A,
        "the other side's runtime: Java and Envoy's SPIFFE validator send this for everything",
    ),
    Signature(
        "envoy-alert-usage", 18, E, Match(("sslv3 alert unsupported certificate",)), (("wrong-usage", 1),), A,
        "the leaf's extended key usage",
    ),
    Signature(
        "envoy-alert-revoked", 19, E, Match(("sslv3 alert certificate revoked",)), (("revoked", 1),), A,
        "the serial number in the other side's list",
    ),
    Signature(
        "envoy-alert-pin", 20, E, Match(("bad certificate hash value",)), (("pin-outdated", 1),), A,
        "the other side's pin",
    ),
    Signature(
        "envoy-alert-bad-certificate-from-client", 18, E, Match(("sslv3 alert bad certificate",), side=B),
        FROM_GO, A, "what runs the client: Go sends this for whatever it finds in a server's certificate", B,
    ),
    Signature(
        "envoy-alert-bad-certificate", 18, E, Match(("sslv3 alert bad certificate",)),
        (("not-yet-valid", 0.3), ("no-client-certificate", 0.25), ("wrong-usage", 0.2), ("path-length", 0.15),
         ("name-constraint", 0.1)), A, "the other side's runtime: OpenSSL, Go and Java mean different things by it",
    ),
    Signature(
        "envoy-no-overlap", 22, E, Match(("sslv3 alert handshake failure", "handshake failure on client hello")),
        (("no-shared-cipher", 0.65), ("no-shared-group", 0.35)), A,
        "the server's record: no shared cipher, or no group",
    ),
    Signature(
        "envoy-alert-handshake", 21, E, Match(("sslv3 alert handshake failure",), side=C),
        (("no-client-certificate", 0.5), ("no-shared-cipher", 0.25), ("withheld-client-certificate", 0.15),
         ("no-shared-signature", 0.1)), A, "the server's record", C,
    ),
    Signature(
        "envoy-alert-handshake-from-client", 21, E, Match(("sslv3 alert handshake failure",), side=B),
        (("no-shared-signature", 0.7), ("no-shared-cipher", 0.3)), A, "the client's record",
    ),
    Signature(
        "envoy-alert-certificate-required", 23, E, Match(("alert certificate required",)),
        (("no-client-certificate", 0.7), ("withheld-client-certificate", 0.3)), A, "the client's runtime", C,
    ),
    Signature(
        "envoy-no-shared-cipher", 24, E, Match(("no shared cipher",)),
        (("no-shared-cipher", 0.65), ("no-shared-group", 0.35)), V,
        "cipher lists and groups of both: under TLS 1.2 BoringSSL says this of groups too; often one is in FIPS mode",
    ),
    Signature(
        "envoy-no-shared-group", 24, E, Match(("no shared group",)), (("no-shared-group", 1),), V, "groups of both",
    ),
    Signature(
        "envoy-protocol", 25, E, Match(("unsupported protocol",)), (("version-mismatch", 1),), V,
        "TLS versions of both",
    ),
    Signature(
        "envoy-alert-decrypt", 17, E, Match(("alert decrypt error",)),
        (("unknown-issuer", 0.6), ("bad-signature", 0.4)), A,
        "what runs the other side: rustls sends this for a root of the same name and another key",
    ),
    Signature(
        "envoy-alert-protocol", 25, E, Match(("alert protocol version",)), (("version-mismatch", 1),), A,
        "TLS versions of both",
    ),
    Signature(
        "envoy-no-version-enabled", 26, E, Match(("no supported versions enabled",)), (("version-mismatch", 1),), O,
        "this side's own minimum above its own maximum: nothing was sent",
    ),
    Signature(
        "envoy-no-signature-algorithm", 27, E, Match(("no common signature algorithms",)),
        (("no-shared-signature", 1),), V,
        "the kind of key against the algorithms the other side verifies",
    ),
    Signature(
        "envoy-tls-to-plaintext", 28, E, Match(("wrong version number",), side=C),
        (("tls-to-plaintext", 0.95), ("not-tls", 0.05)), V, "whether the server's port has a sidecar", B,
    ),
    Signature(
        "envoy-not-tls", 28, E, Match(("wrong version number",), side=B), (("not-tls", 1),), V, "who connects", C,
    ),
    Signature(
        "envoy-protocol-error", 28, E, Match(flags="DPE"), (("not-tls", 0.5), ("tls-to-plaintext", 0.5)), O,
        "the client's record: wrong version number says it spoke TLS here", C,
    ),
    Signature(
        "envoy-plaintext", 29, E, Match((": http request",), side=B), (("plaintext-to-tls", 1),), V,
        "whether the source address is a sidecar's", C,
    ),
    Signature(
        "envoy-plaintext", 29, E, Match(("internal:http request",), side=B), (("plaintext-to-tls", 1),), V,
        "whether the source address is a sidecar's", C,
    ),
    Signature(
        "envoy-plaintext-proxy", 29, E, Match(("https proxy request",), side=B), (("plaintext-to-tls", 1),), V,
        "a proxy request in the clear", C,
    ),
    Signature(
        "envoy-no-filter-chain", 30, E, Match(flags="NR", side=B), (("no-filter-chain", 1),), V,
        "server name and ALPN against the listener", C,
    ),
    Signature(
        "envoy-secret-missing", 31, E, Match(("secret is not supplied by sds",)), (("secret-not-delivered", 1),), O,
        "what the proxy acknowledged, and its agent",
    ),
    Signature(
        "envoy-secret-timeout", 31, E, Match(("initial fetch timed out", "secret")), (("secret-not-delivered", 1),), O,
        "what the proxy acknowledged, and its agent",
    ),
    Signature(
        "envoy-reset", 31, E, Match(("connection reset by peer",), side=C),
        (("peer-closed", 0.45), ("no-filter-chain", 0.3), ("secret-not-delivered", 0.25)), S,
        "the server's record: no filter chain, or a secret that has not arrived",
    ),
    Signature(
        "envoy-client-gave-up", 31, E, Match(("connection reset by peer",), side=B), (("peer-closed", 1),), S,
        "the client's record",
    ),
    Signature(
        "envoy-client-refused-unreadably", 43, E, Match(("decryption failed or bad record mac",), side=B),
        (("rejected-by-client", 1),), S,
        "an OpenSSL client's alert that Envoy cannot read (TLS 1.3): the client's record",
        B,
    ),
    Signature(
        "envoy-handshake-timeout", 31, E, Match((), details="transport socket timeout was reached"),
        (("handshake-timeout", 1),), V, "who connects and says nothing",
    ),
    Signature(
        "envoy-refused", 32, E, Match(("connection refused",)),
        (("connection-refused", 0.8), ("secret-not-delivered", 0.2)), O,
        "whether the server's listener waits for a secret",
    ),
    Signature(
        "envoy-denied", 23, E, Match((), details="rbac access denied"), (("denied-by-policy", 1),), V,
        "the rule named in the record", C,
    ),
    Signature(
        "envoy-key-mismatch", 33, E, Match(("failed to load private key", "key values mismatch")),
        (("key-mismatch", 1),),
        O, "how certificate and key are written",
    ),
    Signature(
        "envoy-weak-key", 35, E, Match(("only rsa certificates with",)), (("weak-key", 1),), O, "the size of the key",
    ),
    Signature(
        "envoy-unreadable-chain", 34, E, Match(("failed to load certificate chain",)),
        (("unreadable-certificate", 1),), O,
        "the file or the secret",
    ),
    Signature(
        "envoy-unreadable-chain", 34, E, Match(("failed to load incomplete certificate",)),
        (("unreadable-certificate", 1),), O, "the file or the secret",
    ),
    Signature(
        "envoy-unreadable-bundle", 34, E, Match(("failed to load trusted ca certificates",)),
        (("unreadable-certificate", 1),), O, "the file or the secret",
    ),
    Signature(
        "envoy-hidden-rejection", 23, E,
        Match(flags="UC", side=C, tls=Tls.V1_3, details="connection termination", empty=True, completed=True),
        (("rejected-by-server", 0.7), ("peer-closed", 0.2), ("denied-by-policy", 0.1)), S,
        "the server's record of the same connection", C,
    ),
    Signature(
        "envoy-closed-after-handshake", 23, E,
        Match(flags="UC", side=C, tls=Tls.V1_2, details="connection termination", empty=True, completed=True),
        (("peer-closed", 0.8), ("denied-by-policy", 0.2)), S, "the server's record of the same connection", C,
    ),
    Signature(
        "envoy-closed-before-tls", 29, E,
        Match(flags="UC", side=C, details="connection termination", empty=True, completed=False),
        (("plaintext-to-tls", 0.5), ("peer-closed", 0.4), ("rejected-by-server", 0.1)), S,
        "whether the client's cluster speaks TLS, and the server's record", C,
    ),
    Signature(
        "envoy-hidden-rejection", 23, E, Match(("reset reason: connection termination",), side=C),
        (("rejected-by-server", 0.6), ("peer-closed", 0.3), ("plaintext-to-tls", 0.1)), S,
        "the access log of this proxy, then the server's record", C,
    ),
)  # fmt: skip
