"""Signatures of the control planes of other meshes: what their own logs say when trust has run out."""

from __future__ import annotations

from typing import Final

from trustplane.handshake.failure import Implementation
from trustplane.handshake.signature import Match, Signature, Voice

LINKERD, ISTIO, SPIRE, CONSUL = (
    Implementation.LINKERD,
    Implementation.ISTIO,
    Implementation.SPIRE,
    Implementation.CONSUL,
)
V, A, O = Voice.VERIFIER, Voice.ALERT, Voice.OWN  # noqa: E741 - one letter each keeps a row one line

RULES: Final = (
    Signature(
        "linkerd-invalid-certificate", 84, LINKERD, Match(("received invalid ceritficate",)),
        (("root-expired", 0.6), ("issuer-expired", 0.4)), V, "dates of trust anchor and issuer (linkerd2 issue 3676)",
    ),
    Signature(
        "linkerd-invalid-certificate", 84, LINKERD, Match(("received invalid certificate",)),
        (("root-expired", 0.6), ("issuer-expired", 0.4)), V, "dates of trust anchor and issuer",
    ),
    Signature(
        "linkerd-warned", 85, LINKERD, Match(("issuer cert is valid for at least",)), (("expiry-ignored", 1),), O,
        "the check ends with 0 although it warns (linkerd2 issue 9612)",
    ),
    Signature(
        "linkerd-upgrade-blocked", 86, LINKERD,
        Match(("failed to build upgrade configuration", "certificate has expired")),
        (("issuer-expired", 0.6), ("root-expired", 0.4)), V,
        "the repair tool verifies what it should replace (issue 4808)",
    ),
    Signature(
        "istio-not-ready", 88, ISTIO, Match(("envoy proxy is not ready", "config not received")),
        (("secret-not-delivered", 0.5), ("root-expired", 0.4), ("unknown", 0.1)), O,
        "the root's end (istio issue 14516)",
    ),
    Signature(
        "spire-bearer-expired", 89, SPIRE, Match(("could not reattest agent",)), (("agent-must-reattest", 1),), O,
        "a gap in server and agent logs at once: the host was suspended",
    ),
    Signature(
        "spire-token-expired", 89, SPIRE, Match(("invalid bearer token", "expired")), (("agent-must-reattest", 1),), O,
        "the agent's own SVID and its bootstrap token have both run out",
    ),
    Signature(
        "spire-agent-refused", 90, SPIRE, Match(("agent is not attested or no longer valid",)),
        (("agent-must-reattest", 1),), V, "whether the agent was evicted (spire issue 1562)",
    ),
    Signature(
        "spire-bad-certificate", 90, SPIRE, Match(("remote error: tls: bad certificate",)),
        (("unknown-issuer", 0.6), ("agent-must-reattest", 0.4)), A,
        "whether the server's authority changed (issue 766)",
    ),
    Signature(
        "spire-server-expired", 91, SPIRE, Match(("invalid server x509-svid: already expired",)),
        (("server-identity-expired", 1),), O, "the server was down for longer than its own SVID lives",
    ),
)  # fmt: skip

# Three of the catalogue have no text: a line that is missing (87, linkerd identity after a rotation), a leaf that is
# older than its life (92) and a root list that did not change (93). They are alerts on absence, not signatures.
WITHOUT_TEXT: Final = frozenset({87, 92, 93})
