"""Values as they are written for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from trustplane.console.text import sentence, span


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (timedelta(days=3650) - timedelta(hours=1), "9 y 364 d"),
        (timedelta(days=364, hours=5), "364 d 5 h"),
        (timedelta(minutes=5, seconds=20), "5 min 20 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(0), "0 s"),
        (timedelta(seconds=-4), "0 s"),
    ],
)
def test_a_span_is_its_two_largest_units(length: timedelta, written: str) -> None:
    assert span(length) == written


def test_a_sentence_begins_with_a_capital_and_a_name_stays_as_it_is() -> None:
    assert sentence("the audit log is for auditors") == "The audit log is for auditors"
    assert sentence("spiffe://acme.example/web is revoked") == "spiffe://acme.example/web is revoked"
    assert sentence("") == ""
