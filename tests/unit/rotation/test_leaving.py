from __future__ import annotations

from datetime import timedelta

from tests.kit.ca import TestCa
from tests.kit.issuing_ports import NOON
from trustplane.registry.view import LeavingIssuer
from trustplane.rotation.leaving import brought_forward, signer_key_id
from trustplane.spiffe.x509_svid import X509Svid

CA = TestCa.root("acme.example").intermediate()
WINDOW = timedelta(seconds=100)
LATER = NOON + timedelta(hours=1)


def svid(ca: TestCa = CA) -> X509Svid:
    return X509Svid(ca.leaf_chain("/web")[0])


def leaving(of: X509Svid) -> tuple[LeavingIssuer, ...]:
    return (LeavingIssuer(signer_key_id(of), NOON, WINDOW),)


def test_leaves_of_a_leaving_issuer_come_within_the_window_and_spread_over_it() -> None:
    found = [brought_forward(one, LATER, leaving(one)) for one in (svid() for _ in range(60))]
    assert all(one is not None and NOON <= one < NOON + WINDOW for one in found)
    assert len({one for one in found if one is not None and one < NOON + WINDOW / 2}) in range(12, 49)


def test_the_answer_is_the_same_however_often_it_is_asked() -> None:
    one = svid()
    once = brought_forward(one, LATER, leaving(one))
    assert brought_forward(one, once, leaving(one)) == once


def test_leaves_of_others_keep_their_instant() -> None:
    other = svid(TestCa.root("acme.example").intermediate())
    assert brought_forward(other, LATER, leaving(svid())) == LATER


def test_what_is_due_at_once_or_sooner_stays_so() -> None:
    one = svid()
    assert brought_forward(one, None, leaving(one)) is None
    assert brought_forward(one, NOON - WINDOW, leaving(one)) == NOON - WINDOW
