"""The rules for a fetched bundle by their numbers in the standards, and what no sequence of them may lead to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.ca import NOON, TestCa
from tests.kit.partner import PARTNER, Partner
from trustplane.fault import Finding, Refused
from trustplane.spiffe.bundle import MAX_REFRESH_HINT, Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.federation import (
    EARLIEST,
    LONGEST_INTERVAL,
    MAX_KNOWN_ROOTS,
    SHORTEST_INTERVAL,
    Peer,
    check_successor,
    interval,
    next_poll,
    published_before_use,
    roots_of,
)

ONE, TWO = Partner(), Partner()
MINUTE = timedelta(minutes=1)
FAILURE = Finding("endpoint-too-slow", "w", "w", "f")


def holding(sequence: int | None, partner: Partner = ONE) -> Peer:
    return Peer(PARTNER).begun(partner.bundle(sequence), NOON)


def refused(peer: Peer, bundle: Bundle, pinned: frozenset[str] = frozenset()) -> str:
    with pytest.raises(Refused) as found:
        check_successor(peer, bundle, pinned, {})
    return found.value.code


def taken(peer: Peer, bundle: Bundle) -> Bundle | None:
    check_successor(peer, bundle, frozenset(), {})
    return peer.took(bundle, NOON).bundle


@pytest.mark.parametrize("older", [0, 6])
def test_fe_3_a_sequence_never_goes_back(older: int) -> None:
    assert refused(holding(7), TWO.bundle(older)) == "bundle-sequence-went-back"


def test_fe_3_a_domain_that_numbers_its_bundles_does_not_stop() -> None:
    assert refused(holding(7), TWO.bundle(None)) == "bundle-sequence-went-back"


def test_fe_3_without_a_sequence_the_newest_fetch_wins() -> None:
    for newer in (TWO.bundle(None), TWO.bundle(0)):
        assert taken(holding(None), newer) == newer


def test_bu_2_a_sequence_means_one_content() -> None:
    assert refused(holding(7), TWO.bundle(7)) == "bundle-sequence-reused"
    check_successor(holding(7), ONE.bundle(7), frozenset(), {})


def test_bu_2_a_sequence_has_64_bits() -> None:
    check_successor(holding(2**63), TWO.bundle(2**64 - 1), frozenset(), {})
    assert refused(holding(2**64 - 1), TWO.bundle(2**63)) == "bundle-sequence-went-back"


def test_bu_4_an_empty_key_set_is_taken_and_revokes_the_domain() -> None:
    nothing = Bundle(PARTNER, (), sequence=8)
    check_successor(holding(7), nothing, frozenset(), {})
    taken = holding(7).took(nothing, NOON)
    assert taken.bundle is not None
    assert taken.bundle.vouches_for_nothing
    assert refused(taken, ONE.bundle(7)) == "bundle-sequence-went-back"  # the revoked roots do not come back


def test_fe_4_a_root_is_of_one_trust_domain() -> None:
    others = {TrustDomain("acme.example"): roots_of(TWO.bundle())}
    with pytest.raises(Refused) as found:
        check_successor(holding(1), TWO.bundle(2), frozenset(), others)
    assert (found.value.code, "acme.example" in found.value.finding.what) == ("bundle-of-another-domain", True)
    check_successor(holding(1), TWO.bundle(2), frozenset(), {PARTNER: roots_of(TWO.bundle())})


def test_fe_4_another_domains_bundle_is_known_by_the_names_of_its_authorities() -> None:
    other = TestCa.root("contractor.example")
    assert refused(holding(1), Bundle(PARTNER, (other.certificate,), sequence=2)) == "bundle-of-another-domain"
    nameless = TestCa.root(PARTNER, uris=())
    check_successor(holding(1), Bundle(PARTNER, (nameless.certificate,), sequence=2), frozenset(), {})


def test_the_first_bundle_holds_a_pinned_root_and_later_ones_need_not() -> None:
    pins = frozenset({ONE.fingerprint})
    assert refused(Peer(PARTNER).begun(None, NOON), TWO.bundle(), pins) == "first-bundle-not-pinned"
    check_successor(Peer(PARTNER).begun(None, NOON), ONE.bundle(), pins, {})
    check_successor(holding(1), TWO.bundle(2), pins, {})


def test_a_domain_that_comes_back_is_still_known_by_its_roots() -> None:
    back = holding(7).ended(NOON).begun(None, NOON)
    assert refused(back, TWO.bundle(8)) == "first-bundle-not-pinned"
    check_successor(back, ONE.bundle(1), frozenset(), {})
    check_successor(back, TWO.bundle(1), frozenset({TWO.fingerprint}), {})


def test_fe_2_and_bu_9_a_peer_is_asked_at_its_hint_or_every_five_minutes() -> None:
    assert interval(timedelta(hours=1)) == timedelta(hours=1)
    assert interval(None) == timedelta(minutes=5)


@given(st.one_of(st.none(), st.timedeltas(timedelta(seconds=1), MAX_REFRESH_HINT)), st.integers(0, 10**6))
def test_no_hint_makes_a_peer_be_asked_without_pause_or_hardly_ever(hint: timedelta | None, second: int) -> None:
    at = NOON + timedelta(seconds=second)
    wait = next_poll(PARTNER, hint, at) - at
    assert SHORTEST_INTERVAL * EARLIEST <= wait <= LONGEST_INTERVAL
    assert wait <= interval(hint)
    assert next_poll(PARTNER, hint, at) == at + wait


def test_peers_that_began_together_are_asked_apart() -> None:
    names = [TrustDomain(f"p{number}.example") for number in range(50)]
    due = {next_poll(name, timedelta(hours=1), NOON) for name in names}
    assert max(due) - min(due) > timedelta(minutes=4)


def test_fe_15_a_failed_attempt_waits_for_the_next_interval_and_keeps_what_is_held() -> None:
    peer = holding(7)
    failed = peer.failed(FAILURE, NOON + MINUTE)
    assert failed.bundle == peer.bundle
    assert failed.next_at is not None
    assert failed.next_at - (NOON + MINUTE) >= timedelta(minutes=5) * EARLIEST
    again = failed.failed(FAILURE, NOON + 9 * MINUTE)
    assert again.failure is not None
    assert again.failure.since == NOON + MINUTE
    assert again.took(ONE.bundle(8), NOON + 10 * MINUTE).failure is None


def test_fe_16_the_end_takes_the_bundle_and_leaves_the_memory_of_roots() -> None:
    ended = holding(7).ended(NOON + MINUTE)
    assert (ended.bundle, ended.next_at) == (None, None)
    assert ended.known_roots == roots_of(ONE.bundle())
    assert ended.begun(None, NOON).known_roots == roots_of(ONE.bundle())


def test_fe_1_a_new_key_is_published_three_to_five_hints_before_its_use() -> None:
    hint = timedelta(minutes=5)
    assert 3 * hint <= published_before_use(hint) <= 5 * hint


def test_roots_are_remembered_without_end_only_up_to_a_bound() -> None:
    peer = Peer(PARTNER, known_roots=frozenset(f"{number:064x}" for number in range(MAX_KNOWN_ROOTS)))
    taken = peer.took(ONE.bundle(1), NOON)
    assert len(taken.known_roots) == MAX_KNOWN_ROOTS
    assert ONE.fingerprint in taken.known_roots


CONTENTS = [ONE.bundle(None), TWO.bundle(None), Bundle(PARTNER, ())]


@given(st.lists(st.tuples(st.sampled_from(CONTENTS), st.none() | st.integers(0, 5)), max_size=12))
def test_whatever_is_served_the_sequence_held_only_rises_and_names_one_content(
    served: list[tuple[Bundle, int | None]],
) -> None:
    peer = Peer(PARTNER).begun(None, NOON)
    named: dict[int, str] = {}
    highest = -1
    for content, sequence in served:
        bundle = Bundle(PARTNER, content.x509_authorities, sequence=sequence)
        try:
            check_successor(peer, bundle, frozenset(), {})
        except Refused as refusal:
            peer = peer.failed(refusal.finding, NOON)
        else:
            peer = peer.took(bundle, NOON)
        held = peer.bundle
        if held is not None and held.sequence is not None:
            assert held.sequence >= highest
            assert named.setdefault(held.sequence, held.digest) == held.digest
            highest = held.sequence
