from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.issuing_ports import NOON, WEB, MemoryAuthority
from trustplane.fault import Refused
from trustplane.trust.authority import AuthorityState
from trustplane.trust.revocation import (
    Cause,
    Reason,
    Revocations,
    RevokedCertificate,
    RevokedIssuer,
    SignedCrl,
    crl_life,
    due,
    is_needed,
    listing,
    listing_digest,
)

PAIR = MemoryAuthority.at(NOON)
KNOWN = (PAIR.root, PAIR.issuing)
HOUR = timedelta(hours=1)
CAUSE = Cause(Reason.KEY_COMPROMISE, "", "local:eve", NOON)
LEAF = RevokedCertificate(7, WEB, PAIR.issuing.id, "ab" * 32, NOON + HOUR, CAUSE)
ONE = Revocations(certificates=(LEAF,))


def signed(at_number: int = 1, life: timedelta = 2 * HOUR, revocations: Revocations = ONE) -> dict[object, SignedCrl]:
    return {
        each.id: SignedCrl(
            each.id, at_number, NOON, NOON + life, listing_digest(listing(each, KNOWN, revocations)), b"der"
        )
        for each in KNOWN
    }


def test_while_nothing_is_revoked_no_crl_is_signed() -> None:
    assert due(KNOWN, Revocations(), {}, 2 * HOUR, NOON) == ()
    assert not is_needed(KNOWN, Revocations())


def test_as_soon_as_one_says_something_every_ca_needs_one() -> None:
    assert due(KNOWN, ONE, {}, 2 * HOUR, NOON) == KNOWN


def test_a_leaf_is_on_its_issuers_list_and_no_other() -> None:
    assert [line.serial for line in listing(PAIR.issuing, KNOWN, ONE)] == [7]
    assert listing(PAIR.root, KNOWN, ONE) == ()


def test_an_issuer_is_on_its_roots_list_once_it_is_cut_off() -> None:
    leaving = RevokedIssuer(PAIR.issuing.id, CAUSE)
    assert listing(PAIR.root, KNOWN, Revocations(issuers=(leaving,))) == ()
    cut = replace(leaving, cut_at=NOON + HOUR)
    (line,) = listing(PAIR.root, KNOWN, Revocations(issuers=(cut,)))
    assert PAIR.issuing.certificate is not None
    assert (line.serial, line.at) == (PAIR.issuing.certificate.serial_number, NOON + HOUR)


def test_a_list_that_changed_is_signed_again_and_no_other() -> None:
    more = Revocations(certificates=(LEAF, replace(LEAF, serial=8)))
    assert due(KNOWN, more, signed(), 2 * HOUR, NOON) == (PAIR.issuing,)  # type: ignore[arg-type] # keyed by authority


def test_retired_authorities_need_no_crl() -> None:
    known = (PAIR.root, replace(PAIR.issuing, state=AuthorityState.RETIRED))
    assert PAIR.issuing.id not in {each.id for each in due(known, ONE, {}, 2 * HOUR, NOON)}


def test_what_has_expired_by_itself_is_dropped() -> None:
    assert ONE.alive(KNOWN, NOON + HOUR - timedelta(seconds=1)) == ONE
    assert ONE.alive(KNOWN, NOON + HOUR) == Revocations()


def test_a_crl_shorter_than_leaves_now_need_is_signed_anew() -> None:
    assert due(KNOWN, ONE, signed(life=2 * HOUR), 4 * HOUR, NOON) == KNOWN  # type: ignore[arg-type] # keyed by authority


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=30)), st.floats(0, 3))
def test_a_stale_crl_is_never_the_outage(leaf: timedelta, share: float) -> None:
    """Whenever nothing is due, every CRL outlives every leaf that can be alive: the leaves end first."""
    life = crl_life(leaf)
    at = NOON + life * share
    crls = signed(life=life)
    in_force = Revocations(certificates=(replace(LEAF, not_after=at + HOUR),))
    if not due(KNOWN, in_force, crls, life, at):  # type: ignore[arg-type] # keyed by authority
        assert all(at + leaf <= one.next_update for one in crls.values())


@pytest.mark.parametrize("note", ["x" * 501, "two\nlines", "\x1b[31m"])
def test_a_note_is_one_printable_line(note: str) -> None:
    with pytest.raises(Refused, match="printable"):
        replace(CAUSE, note=note)
