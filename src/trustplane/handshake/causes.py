"""Causes: why handshakes fail, each with a stable id, its meaning, and what to do about it.

An id outlives every wording. Metrics, runbooks and scripts key on it; docs/causes.md lists all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cause:
    """`fix` is what to do, `command` what to type; `<ID>` and words like it are for the reader to fill in."""

    id: str
    meaning: str
    fix: str
    command: str
    runbook: str


def _table(*causes: Cause) -> dict[str, Cause]:
    return {cause.id: cause for cause in causes}


EXPLAIN: Final = "trustplane explain <ID>"
SHOW: Final = "trustplane svid show <CHAIN>"
VERIFY: Final = "trustplane svid verify <CHAIN> --bundle <BUNDLE>"
PROBE: Final = "trustplane probe <HOST:PORT>"
STATUS: Final = "trustplane status"
AGENT: Final = "trustplane agent status"
BUNDLE: Final = "trustplane server bundle"

CAUSES: Final = _table(
    Cause(
        "leaf-expired",
        "the leaf certificate is past its end",
        "get its holder renewing again; look at its agent before anything is restarted",
        EXPLAIN,
        "expired-certificate",
    ),
    Cause(
        "issuer-expired",
        "the authority that signed the leaf is past its end; the leaf is not",
        "replace the issuing authority; every leaf below it is then issued again",
        "trustplane server status",
        "expired-certificate",
    ),
    Cause(
        "root-expired",
        "the root in the verifier's bundle is past its end",
        "bring a new root into every bundle before anything is issued below it",
        BUNDLE,
        "expired-certificate",
    ),
    Cause(
        "not-yet-valid",
        "the certificate's validity has not begun",
        "compare the clocks of issuer and verifier; issue with a start in the past",
        STATUS,
        "clocks",
    ),
    Cause(
        "clock-wrong",
        "the verifier's clock is off, the certificate is in order",
        "set the verifier's clock right",
        STATUS,
        "clocks",
    ),
    Cause(
        "unknown-issuer",
        "no certificate in the verifier's bundle signed this chain",
        "bring the signer's root into the verifier's bundle, then issue",
        BUNDLE,
        "unknown-issuer",
    ),
    Cause(
        "missing-intermediate",
        "the peer sends its leaf without the authorities between it and the root",
        "have the peer serve the whole chain, leaf first",
        SHOW,
        "unknown-issuer",
    ),
    Cause(
        "self-signed",
        "the certificate signed itself",
        "give the peer an identity that an authority issued",
        SHOW,
        "unknown-issuer",
    ),
    Cause(
        "bad-signature",
        "a signature in the chain does not verify",
        "have the certificate issued again, and find out who changed it",
        VERIFY,
        "unknown-issuer",
    ),
    Cause(
        "wrong-san",
        "the certificate names another workload than the verifier expects, or none",
        "compare the name presented with the name expected; drain endpoints that another workload took over",
        EXPLAIN,
        "wrong-name",
    ),
    Cause(
        "wrong-trust-domain",
        "the certificate is of a trust domain that the verifier does not accept",
        "federate with that domain, or use a workload of one that is accepted",
        EXPLAIN,
        "wrong-name",
    ),
    Cause(
        "no-client-certificate",
        "the client has no certificate to present",
        "give the client an identity, or exempt a prober",
        EXPLAIN,
        "no-client-certificate",
    ),
    Cause(
        "withheld-client-certificate",
        "the client has a certificate and did not present it: the server did not name its issuer",
        "bring the client's root into the server's bundle; Go and Java clients present nothing else",
        BUNDLE,
        "no-client-certificate",
    ),
    Cause(
        "revoked",
        "the certificate is on the verifier's revocation list",
        "find out why it was revoked, then let the workload have another",
        EXPLAIN,
        "revocation",
    ),
    Cause(
        "crl-expired",
        "the revocation list is out of date; the certificate may be in order",
        "get a fresh list to the verifier",
        STATUS,
        "revocation",
    ),
    Cause(
        "crl-missing",
        "the verifier demands a revocation list of an authority and holds none it can use",
        "give it a list of every authority in the chain, or none at all",
        STATUS,
        "revocation",
    ),
    Cause(
        "wrong-usage",
        "the certificate may not be used for this side of a connection (extended key usage)",
        "add client and server authentication to the profile, and issue again",
        SHOW,
        "profile",
    ),
    Cause(
        "path-length",
        "an authority signed another authority that its path length forbids",
        "issue the authority again with room below it, or issue from the one above",
        SHOW,
        "profile",
    ),
    Cause(
        "name-constraint",
        "an authority in the chain may not sign for this name",
        "use a name within its constraints, or an authority without them",
        SHOW,
        "profile",
    ),
    Cause(
        "verify-depth",
        "the chain is longer than the verifier's limit",
        "raise the verifier's depth limit",
        SHOW,
        "unknown-issuer",
    ),
    Cause(
        "pin-outdated",
        "the verifier pins a certificate or key that has been replaced",
        "take the pin away, or renew it with the certificate",
        SHOW,
        "unknown-issuer",
    ),
    Cause(
        "key-mismatch",
        "the private key does not belong to the certificate beside it",
        "write certificate and key as one step: to a new place, then rename",
        "trustplane svid fetch --write <DIR>",
        "delivery",
    ),
    Cause(
        "unreadable-certificate",
        "a certificate file is cut short or is none",
        "write certificate and key as one step, and look at the file first",
        SHOW,
        "delivery",
    ),
    Cause(
        "weak-key",
        "the certificate's key is smaller than the verifier takes",
        "issue with P-256, or RSA of 2048 bits or more",
        SHOW,
        "profile",
    ),
    Cause(
        "plaintext-to-tls",
        "the client speaks in the clear to a port that wants TLS",
        "bring the client into the mesh, or exempt a prober",
        STATUS,
        "plaintext",
    ),
    Cause(
        "tls-to-plaintext",
        "the client speaks TLS to a port that answers in the clear",
        "put a sidecar before the server, or call the port that has one",
        PROBE,
        "plaintext",
    ),
    Cause(
        "not-tls",
        "what reached the port is neither TLS nor HTTP",
        "find out who connects: a scanner, a prober, another protocol",
        STATUS,
        "plaintext",
    ),
    Cause(
        "version-mismatch",
        "the two sides have no TLS version in common",
        "let both sides speak TLS 1.3",
        PROBE,
        "parameters",
    ),
    Cause(
        "no-shared-cipher",
        "the two sides have no cipher in common",
        "align the cipher lists; a FIPS build may be on one side",
        PROBE,
        "parameters",
    ),
    Cause(
        "no-shared-group",
        "the two sides have no key exchange group in common",
        "align the groups (X25519, P-256)",
        PROBE,
        "parameters",
    ),
    Cause(
        "no-shared-signature",
        "one side cannot sign with its key in a way the other verifies",
        "issue with P-256 keys",
        SHOW,
        "parameters",
    ),
    Cause(
        "no-filter-chain",
        "the server has no configuration for the name or protocol the client asks for",
        "compare server name and ALPN of the client with the listener",
        PROBE,
        "parameters",
    ),
    Cause(
        "secret-not-delivered",
        "a proxy has not received its certificate or bundle",
        "look at its agent and what the proxy acknowledged",
        STATUS,
        "delivery",
    ),
    Cause(
        "denied-by-policy",
        "the handshake was good; a rule refuses this caller",
        "declare the call, or leave it refused",
        "trustplane plan <DIR>",
        "denied",
    ),
    Cause(
        "rejected-by-server",
        "the server refused after the client had finished (TLS 1.3); only the server's record says why",
        "read the server's record of the same connection",
        "trustplane diagnose <CLIENT-LOG> <SERVER-LOG>",
        "hidden-rejection",
    ),
    Cause(
        "rejected-by-client",
        "the client refused the server; only the client's record says why",
        "read the client's record of the same connection",
        "trustplane diagnose <CLIENT-LOG> <SERVER-LOG>",
        "hidden-rejection",
    ),
    Cause(
        "peer-closed",
        "the other side ended the connection without a word",
        "see whether it was restarted, overloaded, or stands behind something that closes connections",
        STATUS,
        "closed",
    ),
    Cause(
        "handshake-timeout",
        "the other side connected and did not finish in time",
        "find out who connects: a prober that says nothing, or a peer too busy to answer",
        STATUS,
        "closed",
    ),
    Cause(
        "connection-refused",
        "nobody listens there: no question of TLS",
        "start the server, or wait until its proxy has its secrets",
        STATUS,
        "closed",
    ),
    Cause(
        "agent-must-reattest",
        "the agent's identity is no longer accepted by its server",
        "let the agent prove itself again",
        AGENT,
        "control-plane",
    ),
    Cause(
        "server-identity-expired",
        "the control plane's own certificate is past its end",
        "give the server an identity again; it cannot start by itself",
        "trustplane server status",
        "control-plane",
    ),
    Cause(
        "expiry-ignored",
        "a check warned of an expiry and ended as if all were well",
        "treat the warning as a failure where it runs",
        STATUS,
        "control-plane",
    ),
    Cause(
        "served-differs-from-issued",
        "a proxy serves an older certificate than was issued to it",
        "look at what the proxy acknowledged, then deliver again",
        EXPLAIN,
        "delivery",
    ),
    Cause("unknown", "no signature matches this text", "read the text; report it with both records", PROBE, "unknown"),
)
