"""An acknowledgement is compared with what is in use, and can only be taken back by it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.kit.ca import TestCa
from tests.kit.sidecars import ACME, PAY, authority, keyed
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.xds import secrets
from trustplane.xds.cross_check import (
    SILENT_AFTER,
    Acknowledged,
    Context,
    Shown,
    Signs,
    acknowledged,
    compared,
    contradictions,
    listens,
)
from trustplane.xds.resources import Offer, Resource

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
OLD, NEW = TestCa.root(ACME), TestCa.root(ACME)
OLD_SERIAL, NEW_SERIAL = OLD.certificate.serial_number, NEW.certificate.serial_number
FOREIGN = TestCa.root("partner.example")
BOTH = Bundle(ACME, (OLD.certificate, NEW.certificate))
PARTNER = Bundle(TrustDomain("partner.example"), (FOREIGN.certificate,))
LEAF = keyed(authority(), PAY.spiffe_id)
SERIAL = LEAF.svid.serial
OWN = str(ACME.id)
ID = str(PAY.spiffe_id)
SECRETS: tuple[Resource, ...] = (secrets.leaf(ID, LEAF), secrets.bundle(OWN, BOTH, ACME))


def held_of(*offered: Resource) -> dict[str, str]:
    return {f"secret/{one.name}": one.known_as for one in offered}


def said(*offered: Resource) -> Acknowledged:
    found = acknowledged(Offer(offered), held_of(*offered))
    assert found is not None
    return found


def context(*trusted: int, leaf: int | None = SERIAL) -> Context:
    return Context(frozenset(trusted), leaf)


def test_what_is_used_as_it_was_acknowledged_contradicts_nothing() -> None:
    shown = Shown((context(OLD_SERIAL, NEW_SERIAL), context(OLD_SERIAL, NEW_SERIAL)))
    assert contradictions(said(*SECRETS), shown) == {}
    told = {one.thing: (one.held == one.desired, one.refusal) for one in compared(said(*SECRETS), {})}
    assert told == {f"proxy/secret/{OWN}": (True, ""), f"proxy/secret/{ID}": (True, "")}


def test_no_context_and_an_empty_one_contradict_nothing() -> None:
    assert contradictions(said(*SECRETS), Shown(())) == {}
    assert contradictions(said(*SECRETS), Shown((context(leaf=None),))) == {}


def test_one_context_with_the_roots_of_before_takes_the_proof_away() -> None:
    found = contradictions(said(*SECRETS), Shown((context(OLD_SERIAL, NEW_SERIAL), context(OLD_SERIAL))))
    assert list(found) == [f"secret/{OWN}"]
    assert f"it lacks {NEW_SERIAL:x}" in found[f"secret/{OWN}"]
    told = {one.thing: one for one in compared(said(*SECRETS), found)}
    assert told[f"proxy/secret/{OWN}"].held == ""
    assert told[f"proxy/secret/{OWN}"].refusal == found[f"secret/{OWN}"]
    assert told[f"proxy/secret/{ID}"].held == told[f"proxy/secret/{ID}"].desired


def test_a_context_that_trusts_more_is_named_too() -> None:
    found = contradictions(said(*SECRETS), Shown((context(OLD_SERIAL, NEW_SERIAL, 0xABC),)))
    assert "trusts abc, which is not in it" in found[f"secret/{OWN}"]


def test_another_leaf_than_the_one_acknowledged_is_named_by_its_serial() -> None:
    found = contradictions(said(*SECRETS), Shown((context(OLD_SERIAL, NEW_SERIAL, leaf=0xABC),)))
    assert found == {f"secret/{ID}": f"its /certs shows the leaf abc, not {SERIAL:x} that it acknowledged"}


def test_each_context_may_trust_any_one_of_the_bundles_but_no_mixture() -> None:
    """A sidecar that partners may call has their bundles beside ours in one secret, and ours alone in another."""
    together = secrets.bundles("peers", (BOTH, PARTNER))
    foreign = FOREIGN.certificate.serial_number
    everything = said(*SECRETS, together)
    assert not contradictions(
        everything, Shown((context(OLD_SERIAL, NEW_SERIAL), context(OLD_SERIAL, NEW_SERIAL, foreign)))
    )
    assert list(contradictions(everything, Shown((context(OLD_SERIAL, foreign),)))) == ["secret/peers"]


def test_nothing_is_compared_while_a_secret_is_on_its_way() -> None:
    assert acknowledged(Offer(SECRETS), {f"secret/{OWN}": "of before", f"secret/{ID}": SECRETS[0].known_as}) is None
    assert acknowledged(Offer(SECRETS), {}) is None


def test_a_secret_that_was_never_asked_for_is_left_out() -> None:
    found = acknowledged(Offer(SECRETS), held_of(SECRETS[1]))
    assert found is not None
    assert found.leaves == ()
    assert dict(found.trusted) == {f"secret/{OWN}": frozenset({OLD_SERIAL, NEW_SERIAL})}


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        (Signs(unanswered=NOON), "has not answered what was sent"),
        (Signs(streamless=NOON), "has had no xDS stream since 12:00:00 UTC"),
        (Signs(unconnected=NOON), "says that it is not connected"),
        (Signs(mute=NOON), "its administration has not answered"),
        (Signs(mute=NOON, is_stopped=True), "its process is stopped (state T)"),
    ],
)
def test_each_sign_of_silence_counts_after_a_while_and_says_since_when(signs: Signs, words: str) -> None:
    assert signs.silence(NOON + SILENT_AFTER / 2) == ""
    silence = signs.silence(NOON + SILENT_AFTER)
    assert words in silence
    assert (listens(silence).held, listens(silence).refusal) == ("", silence)


def test_who_shows_no_sign_listens() -> None:
    assert Signs(is_stopped=True).silence(NOON) == ""
    assert listens("").held == listens("").desired
