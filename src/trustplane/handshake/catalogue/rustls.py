"""Signatures of rustls, and of ztunnel, which says who it is by a verifier of its own above rustls.

rustls 0.23 was met at real servers; older wordings and ztunnel's are from their sources. Programs print an error as it
is displayed (`invalid peer certificate: UnknownIssuer`) or as it is debugged (`InvalidCertificate(UnknownIssuer)`).
"""

from __future__ import annotations

from typing import Final

from trustplane.handshake.catalogue.openssl import (
    ALERTED_CA,
    ALERTED_EXPIRED,
    ALERTED_UNKNOWN,
    EXPIRED,
    NO_CERTIFICATE,
    NO_ROOT,
    NOT_YET,
)
from trustplane.handshake.failure import Implementation, Side
from trustplane.handshake.signature import Match, Signature, Voice

T = Implementation.RUSTLS
V, A, S = Voice.VERIFIER, Voice.ALERT, Voice.SILENCE
C = Side.CLIENT

Causes = tuple[tuple[str, float], ...]
_DISPLAYED: Final = "invalid peer certificate: "
_DEBUGGED: Final = "invalidcertificate("
# No anchor of the right name has the key: a root that was made again, far more often than a broken signature.
_OTHER_KEY: Final[Causes] = (("unknown-issuer", 0.8), ("bad-signature", 0.2))
# An authority as a leaf: rustls says no more of a certificate that signed itself.
_AUTHORITY: Final[Causes] = (("self-signed", 0.75), ("wrong-usage", 0.25))
# A verifier above rustls refused: SPIFFE names are its business, and ztunnel calls most of webpki's verdicts so too.
_OWN_VERIFIER: Final[Causes] = (
    ("wrong-san", 0.35), ("wrong-trust-domain", 0.2), ("wrong-usage", 0.15), ("path-length", 0.1),
    ("name-constraint", 0.1), ("crl-missing", 0.1),
)  # fmt: skip
_STALE: Final[Causes] = (("crl-expired", 0.9), ("clock-wrong", 0.1))
# What rustls calls it, in words that begin both ways of printing it; then the longer words that newer releases display.
_VERDICTS: Final[tuple[tuple[str, str, str, Causes, str], ...]] = (
    ("crl-expired", "expiredrevocationlist", "certificate revocation list expired", _STALE, "nextUpdate of the list"),
    ("expired", "expired", "certificate expired", EXPIRED, "the end it names, against the leaf's and its issuer's"),
    ("not-yet-valid", "notvalidyet", "certificate not valid yet", NOT_YET, "both clocks"),
    ("unknown-issuer", "unknownissuer", "", NO_ROOT, "authority key id against the bundle"),
    ("bad-signature", "badsignature", "", _OTHER_KEY, "authority key id against the root of the same name"),
    ("wrong-name", "notvalidforname", "certificate not valid for name", (("wrong-san", 1),), "the names presented"),
    ("wrong-name", "certnotvalidforname", "", (("wrong-san", 1),), "the names presented"),
    ("revoked", "revoked", "", (("revoked", 1),), "the serial number in the list"),
    ("crl-missing", "unknownrevocationstatus", "", (("crl-missing", 1),), "a list of every authority"),
    (
        "usage", "invalidpurpose", "certificate does not allow extended key usage", (("wrong-usage", 1),),
        "the extended key usage",
    ),
    ("path-length", "other(othererror(pathlen", "", (("path-length", 1),), "path lengths of the chain"),
    ("depth", "other(othererror(maximumpathdepth", "", (("verify-depth", 1),), "the length of the chain"),
    ("name-constraint", "other(othererror(nameconstraint", "", (("name-constraint", 1),), "name constraints"),
    ("authority-as-leaf", "other(othererror(causedasendentity", "", _AUTHORITY, "issuer and subject of the leaf"),
    ("own-verifier", "applicationverificationfailure", "", _OWN_VERIFIER, "what the program's own verifier asks for"),
)  # fmt: skip
_ALERTS: Final[tuple[tuple[str, str, Causes], ...]] = (
    ("expired", "certificateexpired", ALERTED_EXPIRED),
    ("unknown-ca", "unknownca", ALERTED_CA),
    ("required", "certificaterequired", NO_CERTIFICATE),
    ("revoked", "certificaterevoked", (("revoked", 1),)),
    ("unknown", "certificateunknown", ALERTED_UNKNOWN),
    ("usage", "unsupportedcertificate", (("wrong-usage", 1),)),
    ("pin", "badcertificatehashvalue", (("pin-outdated", 1),)),
    (
        "bad", "badcertificate",
        (("wrong-san", 0.3), ("not-yet-valid", 0.25), ("no-client-certificate", 0.2), ("wrong-usage", 0.15),
         ("path-length", 0.1)),
    ),
    ("handshake", "handshakefailure", (("no-client-certificate", 0.7), ("no-shared-cipher", 0.3))),
    ("protocol", "protocolversion", (("version-mismatch", 1),)),
    ("decrypt", "decrypterror", (("unknown-issuer", 0.6), ("bad-signature", 0.4))),
    ("denied", "accessdenied", _OWN_VERIFIER),
    ("unknown-name", "unrecognisedname", (("no-filter-chain", 1),)),
)  # fmt: skip
_UNLIKE: Final[tuple[tuple[str, str, str], ...]] = (
    ("ciphers", "nociphersuitesincommon", "no-shared-cipher"),
    ("groups", "nokxgroupsincommon", "no-shared-group"),
    ("signatures", "signatureschemesincommon", "no-shared-signature"),
    ("versions", "doesnotsupporttls12or13", "version-mismatch"),
    ("versions", "tlsversionisdisabled", "version-mismatch"),
    ("versions", "tls12notoffered", "version-mismatch"),
)


def _verdict(name: str, words: str, causes: Causes, tells: str) -> Signature:
    return Signature(f"rustls-{name}", 81, T, Match((words,)), causes, V, tells)


RULES: Final = (
    Signature(
        "ztunnel-wrong-trust-domain", 81, T, Match(("peer did not present the expected trustdomain",)),
        (("wrong-trust-domain", 1),), V, "the trust domain in the names presented",
    ),
    Signature(
        "ztunnel-wrong-name", 81, T, Match(("peer did not present the expected san",)),
        (("wrong-san", 0.7), ("wrong-trust-domain", 0.3)), V, "the names expected and presented, which it prints",
    ),
    *(_verdict(name, _DISPLAYED + word, causes, tells) for name, word, _, causes, tells in _VERDICTS),
    *(_verdict(name, _DISPLAYED + long, causes, tells) for name, _, long, causes, tells in _VERDICTS if long),
    *(_verdict(name, _DEBUGGED + word, causes, tells) for name, word, _, causes, tells in _VERDICTS),
    *(
        Signature(f"rustls-alert-{name}", 82, T, Match((before + word,)), causes, A, "the other side's record")
        for name, word, causes in _ALERTS
        for before in ("received fatal alert: ", "alertreceived(")
    ),
    *(
        Signature(
            f"rustls-no-shared-{name}", 81, T, Match((word,)), ((cause, 1),), V, "what both are told to speak",
        )
        for name, word, cause in _UNLIKE
    ),
    Signature(
        "rustls-no-certificate", 83, T, Match(("peer sent no certificates",)), NO_CERTIFICATE, V, "the runtime", C,
    ),
    Signature(
        "rustls-no-certificate", 83, T, Match(("nocertificatespresented",)), NO_CERTIFICATE, V, "the runtime", C,
    ),
    Signature(
        "rustls-not-tls", 83, T, Match(("received corrupt message of type",)),
        (("tls-to-plaintext", 0.5), ("plaintext-to-tls", 0.4), ("not-tls", 0.1)), V, "whose record it is",
    ),
    Signature(
        "rustls-not-tls", 83, T, Match(("invalidmessage(invalidcontenttype",)),
        (("tls-to-plaintext", 0.5), ("plaintext-to-tls", 0.4), ("not-tls", 0.1)), V, "whose record it is",
    ),
    Signature(
        "rustls-closed", 83, T, Match(("without sending tls close notify",)),
        (("rejected-by-server", 0.5), ("peer-closed", 0.5)), S, "the server's record",
    ),
)  # fmt: skip
