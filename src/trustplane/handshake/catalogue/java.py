"""Signatures of Java's JSSE. The top of a stack trace is the same for many faults: the innermost cause decides."""

from __future__ import annotations

from typing import Final

from trustplane.handshake.catalogue.openssl import ALERTED_CA, ALERTED_EXPIRED, ALERTED_UNKNOWN, NO_CERTIFICATE
from trustplane.handshake.failure import Implementation, Side
from trustplane.handshake.signature import Match, Signature, Voice

J = Implementation.JAVA
V, A, S = Voice.VERIFIER, Voice.ALERT, Voice.SILENCE
C = Side.CLIENT
B = Side.SERVER
FATAL: Final = "received fatal alert: "
WITHHELD: Final = (("withheld-client-certificate", 0.5), ("no-client-certificate", 0.5))

RULES: Final = (
    Signature(
        "java-expired", 63, J, Match(("notafter:",)),
        (("leaf-expired", 0.65), ("issuer-expired", 0.25), ("clock-wrong", 0.1)), V,
        "the instant behind NotAfter against the leaf's own end",
    ),
    Signature(
        "java-not-yet-valid", 63, J, Match(("notbefore:",)), (("not-yet-valid", 0.8), ("clock-wrong", 0.2)), V,
        "both clocks",
    ),
    Signature(
        "java-dates", 63, J, Match(("pkix path validation failed", "validity check failed")),
        (("leaf-expired", 0.5), ("not-yet-valid", 0.2), ("issuer-expired", 0.2), ("clock-wrong", 0.1)), V,
        "the innermost cause of the trace",
    ),
    Signature(
        "java-no-path", 62, J, Match(("unable to find valid certification path to requested target",)),
        (("unknown-issuer", 0.5), ("missing-intermediate", 0.3), ("self-signed", 0.15), ("wrong-trust-domain", 0.05)),
        V,
        "authority key id against the trust store",
    ),
    Signature(
        "java-other-anchor", 62, J, Match(("path does not chain with any of the trust anchors",)),
        (("unknown-issuer", 0.95), ("bad-signature", 0.05)), V,
        "a root of the issuer's name is trusted, but of another key: key ids, not names",
    ),
    Signature(
        "java-wrong-usage", 64, J, Match(("extended key usage does not permit use for tls",)), (("wrong-usage", 1),), V,
        "the extended key usage",
    ),
    Signature(
        "java-path-length", 65, J, Match(("pathlenconstraint violated",)), (("path-length", 1),), V, "path lengths",
    ),
    Signature(
        "java-name-constraint", 65, J, Match(("name constraints check failed",)), (("name-constraint", 1),), V,
        "name constraints",
    ),
    Signature(
        "java-revoked", 63, J, Match(("certificate has been revoked",)), (("revoked", 1),), V, "the list",
    ),
    Signature(
        "java-wrong-name", 66, J, Match(("no subject alternative", "matching")), (("wrong-san", 1),), V, "the names", B,
    ),
    Signature("java-no-names", 66, J, Match(("no subject alternative names",)), (("wrong-san", 1),), V, "the names", B),
    Signature("java-no-name", 66, J, Match(("no name matching",)), (("wrong-san", 1),), V, "the names", B),
    Signature(
        "java-no-client-certificate", 67, J, Match(("empty client certificate chain",)), NO_CERTIFICATE, V,
        "the client's runtime", C,
    ),
    Signature(
        "java-alert-required", 68, J, Match((FATAL + "certificate required",)), WITHHELD, A,
        "a configured certificate means that Java withheld it: the server's bundle is behind", C,
    ),
    Signature("java-alert-expired", 68, J, Match((FATAL + "certificate expired",)), ALERTED_EXPIRED, A, "our dates", C),
    Signature(
        "java-alert-revoked", 68, J, Match((FATAL + "certificate revoked",)), (("revoked", 1),), A, "the list", C,
    ),
    Signature(
        "java-alert-unknown", 68, J, Match((FATAL + "certificate unknown",)), ALERTED_UNKNOWN, A,
        "the server's record", C,
    ),
    Signature("java-alert-unknown-ca", 68, J, Match((FATAL + "unknown ca",)), ALERTED_CA, A, "the server's record", C),
    Signature(
        "java-alert-usage", 68, J, Match((FATAL + "unsupported certificate",)), (("wrong-usage", 1),), A,
        "the extended key usage", C,
    ),
    Signature(
        "java-alert-bad", 68, J, Match((FATAL + "bad certificate",)),
        (("no-client-certificate", 0.4), ("withheld-client-certificate", 0.2), ("not-yet-valid", 0.2),
         ("wrong-usage", 0.2)), A, "the server's record", C,
    ),
    Signature(
        "java-alert-handshake", 68, J, Match((FATAL + "handshake failure",)),
        (("withheld-client-certificate", 0.35), ("no-client-certificate", 0.35), ("no-shared-cipher", 0.3)), A,
        "the server's record", C,
    ),
    Signature(
        "java-alert-protocol", 68, J, Match((FATAL + "protocol version",)), (("version-mismatch", 1),), A, "versions",
    ),
    Signature(
        "java-refused-after-certificate", 69, J, Match(("broken pipe", "certificateverify$t12")),
        (("rejected-by-server", 0.85), ("peer-closed", 0.15)), S,
        "the server's record: Java had sent a certificate, as its frame CertificateVerify tells, and read no alert", C,
    ),
    Signature(
        "java-refused-without-certificate", 69, J, Match(("broken pipe", "finished$t12")),
        (("withheld-client-certificate", 0.45), ("no-client-certificate", 0.35), ("rejected-by-server", 0.2)), S,
        "whether a certificate is configured: Java came to its Finished without, and withholds what is not wanted", C,
    ),
    Signature(
        "java-broken-pipe", 69, J, Match(("broken pipe",)),
        (("rejected-by-server", 0.6), ("peer-closed", 0.4)), S,
        "the server's record: Java wrote before it read the alert", C,
    ),
    Signature(
        "java-closed-in-handshake", 70, J, Match(("remote host terminated the handshake",)),
        (("peer-closed", 0.4), ("secret-not-delivered", 0.3), ("rejected-by-server", 0.3)), S, "the server's record",
    ),
    Signature(
        "java-reset", 70, J, Match(("connection reset",)),
        (("rejected-by-server", 0.4), ("peer-closed", 0.4), ("secret-not-delivered", 0.2)), S, "the server's record",
    ),
    Signature(
        "java-not-tls", 71, J, Match(("unsupported or unrecognized ssl message",), side=C),
        (("tls-to-plaintext", 0.95), ("not-tls", 0.05)), V, "whether the server's port has a sidecar", B,
    ),
    Signature(
        "java-not-tls", 71, J, Match(("unsupported or unrecognized ssl message",)),
        (("plaintext-to-tls", 0.5), ("tls-to-plaintext", 0.3), ("not-tls", 0.2)), V, "whose record it is",
    ),
    Signature(
        "java-no-cipher", 68, J, Match(("no cipher suites in common",)), (("no-shared-cipher", 1),), V, "cipher lists",
    ),
    Signature(
        "java-no-protocol", 68, J, Match(("no appropriate protocol",)), (("version-mismatch", 1),), Voice.OWN,
        "this side's own list of protocols",
    ),
    Signature(
        "java-protocol", 68, J, Match(("client requested protocol", "not enabled or not supported")),
        (("version-mismatch", 1),), V, "versions of both", C,
    ),
)  # fmt: skip
