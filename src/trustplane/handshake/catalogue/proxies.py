"""Signatures of gRPC's C core, nginx and HAProxy."""

from __future__ import annotations

from typing import Final

from trustplane.handshake.catalogue.openssl import (
    ALERTED_BAD,
    ALERTED_CA,
    ALERTED_EXPIRED,
    ALERTED_UNKNOWN,
    EXPIRED,
    NO_CERTIFICATE,
    NO_CHAIN,
    NO_ROOT,
    NOT_YET,
    SELF,
    SELF_IN_CHAIN,
)
from trustplane.handshake.failure import Implementation, Side
from trustplane.handshake.signature import Match, Signature, Voice

R, N, H = Implementation.GRPC, Implementation.NGINX, Implementation.HAPROXY
V, A, S = Voice.VERIFIER, Voice.ALERT, Voice.SILENCE
C = Side.CLIENT
B = Side.SERVER

Causes = tuple[tuple[str, float], ...]
_NUMBERS: Final[tuple[tuple[int, str, Causes], ...]] = (
    (23, "revoked", (("revoked", 1.0),)),
    (12, "crl-expired", (("crl-expired", 0.9), ("clock-wrong", 0.1))),
    (11, "crl-not-yet-valid", (("crl-expired", 0.5), ("clock-wrong", 0.5))),
    (3, "crl-missing", (("crl-missing", 1.0),)),
    (10, "expired", EXPIRED),
    (9, "not-yet-valid", NOT_YET),
    (18, "self-signed", SELF),
    (19, "self-signed-in-chain", SELF_IN_CHAIN),
    (20, "no-root", NO_ROOT),
    (21, "no-chain", NO_CHAIN),
    (22, "depth", (("verify-depth", 1.0),)),
    (25, "path-length", (("path-length", 1.0),)),
    (26, "wrong-usage", (("wrong-usage", 1.0),)),
    (47, "name-constraint", (("name-constraint", 1.0),)),
)
_ABOVE: Final[dict[str, Causes]] = {"expired": (("issuer-expired", 0.7), ("root-expired", 0.25), ("clock-wrong", 0.05))}
# HAProxy keeps two numbers: of the leaf and of what is above it. A leaf whose issuer is found nowhere came alone, or
# from elsewhere; a chain that breaks off higher up brought its issuer along.
_LEAF: Final[dict[str, Causes]] = {
    "expired": (("leaf-expired", 0.85), ("clock-wrong", 0.15)),
    "no-root": (("missing-intermediate", 0.5), ("unknown-issuer", 0.4), ("wrong-trust-domain", 0.1)),
}

_TSI: Final = "tsi protocol failure"
# BoringSSL's verdicts and alerts, as gRPC's C core puts them into a call's status, and into its own log before that.
_GRPC_VERIFIED: Final[tuple[tuple[str, str, Causes, str], ...]] = (
    ("expired", "certificate has expired", EXPIRED, "the dates"),
    ("not-yet-valid", "certificate is not yet valid", NOT_YET, "clocks"),
    ("unknown-issuer", "unable to get local issuer certificate", NO_ROOT, "authority key id against the roots"),
    ("self-signed-in-chain", "self signed certificate in certificate chain", SELF_IN_CHAIN, "the roots"),
    ("self-signed", "self signed certificate", SELF, "issuer and subject of the leaf"),
    ("wrong-usage", "unsupported certificate purpose", (("wrong-usage", 1.0),), "the extended key usage"),
    ("path-length", "path length constraint exceeded", (("path-length", 1.0),), "path lengths of the chain"),
    ("name-constraint", "permitted subtree violation", (("name-constraint", 1.0),), "name constraints of the chain"),
    ("revoked", "certificate revoked", (("revoked", 1.0),), "the serial number in the list"),
    ("crl-expired", "crl has expired", (("crl-expired", 0.9), ("clock-wrong", 0.1)), "nextUpdate of the list"),
)
_GRPC_ALERTED: Final[tuple[tuple[str, str, Causes], ...]] = (
    ("expired", "alert certificate expired", ALERTED_EXPIRED),
    ("unknown-ca", "alert unknown ca", ALERTED_CA),
    ("unknown-certificate", "alert certificate unknown", ALERTED_UNKNOWN),
    ("usage", "alert unsupported certificate", (("wrong-usage", 1.0),)),
    ("revoked", "alert certificate revoked", (("revoked", 1.0),)),
    ("pin", "bad certificate hash value", (("pin-outdated", 1.0),)),
    ("bad-certificate", "alert bad certificate", ALERTED_BAD),
    ("certificate-required", "alert certificate required", NO_CERTIFICATE),
    ("protocol", "alert protocol version", (("version-mismatch", 1.0),)),
    ("handshake", "alert handshake failure", (("no-client-certificate", 0.7), ("no-shared-cipher", 0.3))),
)
_GRPC: Final = (
    *(
        Signature(f"grpc-{id_}", 72, R, Match(("certificate verify failed: " + said,)), causes, V, tells, B)
        for id_, said, causes, tells in _GRPC_VERIFIED
    ),
    *(
        Signature(f"grpc-alert-{id_}", 74, R, Match((said,)), causes, A, "the server's record", C)
        for id_, said, causes in _GRPC_ALERTED
    ),
    Signature(
        "grpc-wrong-name", 73, R, Match(("hostname verification check failed",)), (("wrong-san", 1),), V, "the names", B
    ),
    Signature(
        "grpc-no-client-certificate", 74, R, Match(("peer did not return a certificate",)), NO_CERTIFICATE, V,
        "the client's runtime", C,
    ),
    Signature(
        "grpc-tls-to-plaintext", 75, R, Match(("wrong version number",), side=C), (("tls-to-plaintext", 1),), V,
        "whether the server's port speaks TLS", B,
    ),
    Signature(
        "grpc-not-tls", 75, R, Match(("wrong version number",)), (("tls-to-plaintext", 0.7), ("not-tls", 0.3)), V,
        "whose record it is",
    ),
    Signature(
        "grpc-alert-not-read", 74, R, Match(("unwrap failed (tsi data corrupted)",)),
        (("rejected-by-server", 0.8), ("peer-closed", 0.2)), S,
        "the line before it in gRPC's own log has the alert, and the server's record the reason", C,
    ),
    Signature(
        "grpc-socket-closed", 74, R, Match(("unavailable", "socket closed")),
        (("rejected-by-server", 0.6), ("peer-closed", 0.25), ("plaintext-to-tls", 0.15)), S,
        "the server's own stderr: four faults have this one text", C,
    ),
    Signature(
        "grpc-handshake-failed", 74, R, Match((_TSI,)), (("unknown", 0.5), ("rejected-by-server", 0.5)), S,
        "the words behind it, which are not in this catalogue",
    ),
)  # fmt: skip
_NGINX_ALERTED: Final[tuple[tuple[str, str, Causes], ...]] = (
    ("expired", "alert certificate expired", ALERTED_EXPIRED),
    ("unknown-ca", "alert unknown ca", ALERTED_CA),
    ("unknown-certificate", "alert certificate unknown", ALERTED_UNKNOWN),
    ("bad-certificate", "alert bad certificate", ALERTED_BAD),
    ("usage", "alert unsupported certificate", (("wrong-usage", 1.0),)),
    ("revoked", "alert certificate revoked", (("revoked", 1.0),)),
    ("pin", "bad certificate hash value", (("pin-outdated", 1.0),)),
    ("certificate-required", "alert certificate required", NO_CERTIFICATE),
    ("protocol", "alert protocol version", (("version-mismatch", 1.0),)),
    ("handshake", "alert handshake failure", (("no-client-certificate", 0.6), ("no-shared-cipher", 0.4))),
)
_NGINX: Final = (
    *(
        Signature(
            f"nginx-{name}", 76, N, Match((f"client ssl certificate verify error: ({number}:",)), causes, V,
            "level info, or $ssl_client_verify in the access log", C,
        )
        for number, name, causes in _NUMBERS
    ),
    Signature(
        "nginx-no-client-certificate", 77, N, Match(("client sent no required ssl certificate",)), NO_CERTIFICATE, V,
        "the client's runtime", C,
    ),
    Signature(
        "nginx-plaintext", 77, N, Match(("client sent plain http request to https port",)), (("plaintext-to-tls", 1),),
        V,
        "who connects", C,
    ),
    *(
        Signature(
            f"nginx-upstream-{name}", 76, N, Match((f"upstream ssl certificate verify error: ({number}:",)), causes, V,
            "the upstream's chain against proxy_ssl_trusted_certificate", B,
        )
        for number, name, causes in _NUMBERS
    ),
    Signature(
        "nginx-upstream-verify", 76, N, Match(("upstream ssl certificate verify error:",)),
        (("unknown-issuer", 0.4), ("leaf-expired", 0.3), ("missing-intermediate", 0.2), ("not-yet-valid", 0.1)), V,
        "the number in the brackets", B,
    ),
    *(
        Signature(
            f"nginx-upstream-alert-{id_}", 76, N, Match((said,), side=C), causes, A, "the upstream's record", C,
        )
        for id_, said, causes in _NGINX_ALERTED
    ),
    *(
        Signature(
            f"nginx-alert-{id_}", 76, N, Match((said,)), causes, A, "the other side's record, and what runs there", B,
        )
        for id_, said, causes in _NGINX_ALERTED
    ),
    Signature(
        "nginx-unknown-name", 76, N, Match(("unrecognized name", "handshaking to upstream")),
        (("no-filter-chain", 0.95), ("peer-closed", 0.05)), A,
        "proxy_ssl_server_name and proxy_ssl_name against the names that the upstream knows",
    ),
    Signature(
        "nginx-upstream-closed", 76, N, Match(("peer closed connection in ssl handshake", "to upstream")),
        (("rejected-by-server", 0.4), ("peer-closed", 0.4), ("secret-not-delivered", 0.2)), S, "the upstream's record",
    ),
    Signature(
        "nginx-upstream-broken-pipe", 76, N, Match(("broken pipe", "to upstream")),
        (("rejected-by-server", 0.7), ("peer-closed", 0.3)), S,
        "the upstream's record: in TLS 1.3 nginx writes before it has read the alert", C,
    ),
    Signature(
        "nginx-client-closed", 76, N, Match(("peer closed connection in ssl handshake",)),
        (("peer-closed", 0.7), ("rejected-by-client", 0.3)), S, "the client's record",
    ),
    Signature(
        "nginx-upstream-name", 76, N, Match(("upstream ssl certificate does not match",)), (("wrong-san", 1),), V,
        "the names", B,
    ),
    Signature(
        "nginx-no-shared-cipher", 76, N, Match(("no shared cipher",)), (("no-shared-cipher", 1),), V, "cipher lists",
    ),
    Signature(
        "nginx-protocol", 76, N, Match(("unsupported protocol",)), (("version-mismatch", 1),), V, "versions of both",
    ),
    Signature(
        "nginx-not-tls", 76, N, Match(("wrong version number",)), (("not-tls", 0.6), ("tls-to-plaintext", 0.4)), V,
        "who connects",
    ),
)  # fmt: skip
# What the error behind a failed handshake says, which newer releases print in brackets.
_HAPROXY_REASONS: Final[tuple[tuple[str, str, Causes, str], ...]] = (
    ("protocol", "unsupported protocol", (("version-mismatch", 1.0),), "versions of both"),
    ("no-shared-cipher", "no shared cipher", (("no-shared-cipher", 1.0),), "cipher lists"),
    ("not-tls", "wrong version number", (("not-tls", 0.7), ("plaintext-to-tls", 0.3)), "who connects"),
    (
        "verify-failed", "certificate verify failed",
        (("unknown-issuer", 0.4), ("leaf-expired", 0.3), ("missing-intermediate", 0.2), ("wrong-usage", 0.1)),
        "log %[ssl_c_err] and %[ssl_c_ca_err] in error-log-format",
    ),
)  # fmt: skip
_HAPROXY: Final = (
    *(
        Signature(
            f"haproxy-{name}", 78, H, Match(("ssl client certificate not trusted", f"ssl c err={number} ")),
            _LEAF.get(name, causes), V, "ssl_c_err, which the default format leaves out", C,
        )
        for number, name, causes in _NUMBERS
    ),
    *(
        Signature(
            f"haproxy-chain-{name}", 79, H,
            Match(("ssl client ca chain cannot be verified", f"ssl c ca err={number} ")),
            _ABOVE.get(name, causes), V, "ssl_c_ca_err, which the default format leaves out", C,
        )
        for number, name, causes in _NUMBERS
    ),
    Signature(
        "haproxy-not-trusted", 78, H, Match(("ssl client certificate not trusted",)),
        (("unknown-issuer", 0.35), ("leaf-expired", 0.3), ("missing-intermediate", 0.2), ("wrong-usage", 0.1),
         ("not-yet-valid", 0.05)), V, "log %[ssl_c_err] in error-log-format", C,
    ),
    Signature(
        "haproxy-chain", 79, H, Match(("ssl client ca chain cannot be verified",)),
        (("unknown-issuer", 0.5), ("issuer-expired", 0.3), ("path-length", 0.1), ("root-expired", 0.1)), V,
        "log %[ssl_c_ca_err] in error-log-format", C,
    ),
    Signature(
        "haproxy-no-client-certificate", 80, H, Match(("ssl handshake failure", "peer did not return a certificate")),
        NO_CERTIFICATE, V, "the client's runtime", C,
    ),
    Signature(
        "haproxy-plaintext", 80, H, Match(("ssl handshake failure", "http request")), (("plaintext-to-tls", 1),), V,
        "who connects", C,
    ),
    *(
        Signature(
            f"haproxy-alert-{id_}", 80, H, Match(("ssl handshake failure", said)), causes, A,
            "the client's record, and what runs it", B,
        )
        for id_, said, causes in _NGINX_ALERTED
    ),
    *(
        Signature(f"haproxy-{id_}", 80, H, Match(("ssl handshake failure", said)), causes, V, tells)
        for id_, said, causes, tells in _HAPROXY_REASONS
    ),
    Signature(
        "haproxy-client-closed", 80, H, Match(("connection closed during ssl handshake",)),
        (("peer-closed", 0.7), ("rejected-by-client", 0.3)), S, "the client's record",
    ),
    Signature(
        "haproxy-handshake", 80, H, Match(("ssl handshake failure",)),
        (("no-client-certificate", 0.35), ("rejected-by-client", 0.3), ("plaintext-to-tls", 0.2),
         ("version-mismatch", 0.15)), V, "log %[ssl_fc_err_str] in error-log-format",
    ),
)  # fmt: skip
RULES: Final = (*_GRPC, *_NGINX, *_HAPROXY)
