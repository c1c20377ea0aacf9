"""A domain that has shown a statement once is believed by statements alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.kit.ca import TestCa
from tests.kit.clock import START
from tests.kit.partner import PARTNER, Speaker
from trustplane.fault import Finding
from trustplane.spiffe.bundle import Bundle
from trustplane.spiffe.ids import TrustDomain
from trustplane.trust.partner import Rule, Shown

ACME = TrustDomain("acme.example")
OURS = Bundle(ACME, (TestCa.root(ACME).certificate,), sequence=7)
THEM = Speaker()
NONE = Finding("endpoint-without-statement", "w", "w", "f")
LATER = START + timedelta(minutes=1)


def test_the_rule_is_what_it_turns_out_to_show() -> None:
    fresh = Shown(PARTNER)
    assert fresh.rule is Rule.UNKNOWN
    assert fresh.failed(NONE, START).rule is Rule.UNKNOWN, "who never answered may make statements"
    silent = fresh.was_silent(NONE, START)
    assert (silent.rule, silent.failure) == (Rule.TIME, None)
    assert silent.said(THEM.statement(OURS), LATER).rule is Rule.STATEMENT


def test_silence_of_who_has_spoken_is_a_failure_and_no_time_makes_up_for_it() -> None:
    spoken = Shown(PARTNER).said(THEM.statement(OURS), START)
    silent = spoken.was_silent(NONE, LATER)
    assert (silent.rule, silent.statement) == (Rule.STATEMENT, spoken.statement)
    assert silent.failure is not None
    assert silent.failure.since == LATER


def test_since_is_when_it_last_said_something_else() -> None:
    spoken = Shown(PARTNER).said(THEM.statement(OURS, behind=1), START)
    assert spoken.said(THEM.statement(OURS, behind=1, at=LATER), LATER).since == START
    assert spoken.said(THEM.statement(OURS, behind=0, at=LATER), LATER).since == LATER
    failing = spoken.failed(NONE, START).failed(NONE, LATER)
    assert failing.failure is not None
    assert failing.failure.since == START
    assert failing.said(THEM.statement(OURS, at=LATER), LATER).failure is None
    assert not spoken.failed(NONE, START).said(replace(THEM.statement(OURS)), LATER).is_silent
