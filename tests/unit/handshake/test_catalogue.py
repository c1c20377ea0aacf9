"""The catalogue holds together: complete, unshadowed, with causes that exist and runbooks that can be read."""

from __future__ import annotations

import pytest

from trustplane.fault import Broken
from trustplane.handshake.catalogue import CATALOGUE
from trustplane.handshake.catalogue.meshes import WITHOUT_TEXT
from trustplane.handshake.causes import CAUSES
from trustplane.handshake.failure import Claims, Failure, Implementation
from trustplane.handshake.recognise import recognise
from trustplane.handshake.signature import Match, Signature, Voice
from trustplane.host.knowledge_files import shipped_runbooks

# The ids that scripts and runbooks rely on.
PROMISED = {
    "leaf-expired", "issuer-expired", "root-expired", "not-yet-valid", "unknown-issuer", "missing-intermediate",
    "self-signed", "wrong-san", "wrong-trust-domain", "no-client-certificate", "withheld-client-certificate", "revoked",
    "crl-expired", "crl-missing", "wrong-usage", "path-length", "name-constraint", "key-mismatch", "plaintext-to-tls",
    "tls-to-plaintext", "version-mismatch", "no-shared-cipher", "secret-not-delivered", "denied-by-policy",
    "rejected-by-server", "peer-closed", "not-tls", "unknown",
}  # fmt: skip


def example_of(signature: Signature) -> Failure:
    """A record with just what the signature looks for."""
    match = signature.match
    return Failure(
        " ".join(match.words),
        signature.implementation,
        match.side,
        match.build[0] or ((1, 36) if match.build[1] else ()),
        match.tls,
        flags=match.flags,
        details=match.details,
        theirs=Claims("spiffe://acme.example/web" if match.completed else ""),
    )


def test_every_number_of_the_catalogue_has_a_signature_or_no_text() -> None:
    assert {one.number for one in CATALOGUE} | WITHOUT_TEXT == set(range(1, 94))
    assert not {one.number for one in CATALOGUE} & WITHOUT_TEXT


def test_promised_causes_are_there() -> None:
    assert CAUSES.keys() >= PROMISED


def test_every_cause_is_a_cause_of_something() -> None:
    used = {cause for one in CATALOGUE for cause, _ in one.causes}
    assert CAUSES.keys() - used == {"bad-signature", "expiry-ignored", "served-differs-from-issued"} - used


@pytest.mark.parametrize("signature", CATALOGUE, ids=lambda one: f"{one.id}-{CATALOGUE.index(one)}")
def test_no_signature_is_hidden_by_one_before_it(signature: Signature) -> None:
    found = recognise(example_of(signature)).signature
    assert found.id == signature.id


@pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.id)
def test_every_cause_has_a_runbook_that_names_it(cause: object) -> None:
    runbooks = {one.slug: one for one in shipped_runbooks()}
    assert cause.id in runbooks[cause.runbook].causes  # type: ignore[attr-defined] # a cause


def test_runbooks_name_the_signatures_that_lead_to_them() -> None:
    named = {one.slug: set(one.signatures) for one in shipped_runbooks()}
    leads = {slug: {one.id for one in CATALOGUE if one.runbook == slug} for slug in named}
    assert named == leads


@pytest.mark.parametrize(
    ("match", "causes"),
    [
        (Match(("x",)), (("no-such-cause", 1.0),)),
        (Match(("x",)), ()),
        (Match(("x",)), (("revoked", 0.6), ("crl-expired", 0.6))),
        (Match(("x",)), (("revoked", 0.2), ("crl-expired", 0.6))),
        (Match(("x",)), (("revoked", 0.0),)),
    ],
)
def test_a_signature_that_contradicts_itself_cannot_be_made(
    match: Match, causes: tuple[tuple[str, float], ...]
) -> None:
    with pytest.raises(Broken, match="bad-signature-catalogue"):
        Signature("x", 1, Implementation.ENVOY, match, causes, Voice.VERIFIER, "")


@pytest.mark.parametrize("words", [(), ("Upper case",), ("under_score",)])
def test_a_match_that_can_match_nothing_cannot_be_made(words: tuple[str, ...]) -> None:
    with pytest.raises(Broken, match="bad-signature-catalogue"):
        Match(words)
