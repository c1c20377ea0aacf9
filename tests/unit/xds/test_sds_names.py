"""The names SPIRE serves over SDS, and what stands behind each."""

from __future__ import annotations

import pytest

from tests.kit.sidecars import ACME, PAY, WEB, authority, bundles_of, keyed
from trustplane.fault import Refused
from trustplane.spiffe.bundle import Bundle, BundleSet
from trustplane.spiffe.ids import TrustDomain
from trustplane.xds.resources import Kind, Offer
from trustplane.xds.sds_names import secrets_offer

CA, FOREIGN = authority(), authority("other.example")
WEB_SVID, PAY_SVID = keyed(CA, WEB.spiffe_id), keyed(CA, PAY.spiffe_id)
OFFER = secrets_offer([WEB_SVID, PAY_SVID], bundles_of(CA, FOREIGN), ACME)
SECRETS = OFFER.of(Kind.SECRET)
IDENTITIES = {str(WEB.spiffe_id), str(PAY.spiffe_id)}
BUNDLES = {"spiffe://acme.example", "spiffe://other.example"}


def context(offer: Offer, name: str) -> dict[str, object]:
    found = offer.of(Kind.SECRET)[name].content["validation_context"]
    assert isinstance(found, dict)
    return found


def domains(offer: Offer, name: str) -> list[str]:
    validator = context(offer, name)["custom_validator_config"]
    assert isinstance(validator, dict)
    return [one["name"] for one in validator["typed_config"]["trust_domains"]]


def test_every_name_of_spire_is_served() -> None:
    assert set(SECRETS) == IDENTITIES | BUNDLES | {"default", "ROOTCA", "ALL"}
    assert all(secret.content["name"] == name for name, secret in SECRETS.items())


def test_default_is_the_first_identity() -> None:
    assert SECRETS["default"].content["tls_certificate"] == SECRETS[str(WEB.spiffe_id)].content["tls_certificate"]


def test_rootca_is_the_own_domain() -> None:
    assert context(OFFER, "ROOTCA") == context(OFFER, "spiffe://acme.example")
    assert set(context(OFFER, "ROOTCA")) == {"trusted_ca"}


def test_all_names_every_domain_apart_and_sorted() -> None:
    assert domains(OFFER, "ALL") == ["acme.example", "other.example"]


def test_a_foreign_domain_is_verified_as_itself_only() -> None:
    assert domains(OFFER, "spiffe://other.example") == ["other.example"]


def test_a_request_without_names_gets_each_identity_and_bundle_once() -> None:
    assert OFFER.unnamed(Kind.SECRET) == IDENTITIES | BUNDLES


def test_a_foreign_domain_that_revoked_everything_is_trusted_nowhere() -> None:
    revoked = BundleSet.of(bundles_of(CA)[ACME], Bundle(TrustDomain("other.example"), ()))
    offer = secrets_offer([WEB_SVID], revoked, ACME)
    assert domains(offer, "ALL") == ["acme.example"]
    assert "spiffe://other.example" not in offer.of(Kind.SECRET)


def test_without_an_identity_nothing_is_served() -> None:
    with pytest.raises(Refused) as refusal:
        secrets_offer([], bundles_of(CA), ACME)
    assert refusal.value.code == "no-identity"
