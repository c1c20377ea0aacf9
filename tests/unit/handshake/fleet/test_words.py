"""One line, whatever is said."""

from __future__ import annotations

import pytest

from trustplane.handshake.fleet.values import CHANGE
from trustplane.handshake.fleet.words import Headline, below, links_line, named

ENVOY = ("client Envoy", "1.39.3")


@pytest.mark.parametrize(
    ("headline", "said"),
    [
        (
            Headline(33, 33, ENVOY, ("2.0 (ci 18)", "revision 4"), 3.2, 1e-13),
            "All 33 failures are client Envoy 1.39.3 since 2.0 (ci 18) or revision 4 (expected by chance 3; p < 1e-12)",
        ),
        (
            Headline(5, 9, ENVOY, (), 1, 5e-4),
            "5 of 9 failures are client Envoy 1.39.3 (expected by chance 1; p < 1e-3)",
        ),
        (
            Headline(5, 5, (CHANGE, "revision 4"), ("revision 4",), 1, 0),
            "All 5 failures began after revision 4 (expected by chance 1; p < 1e-299)",
        ),
    ],
)
def test_what_failures_have_in_common(headline: Headline, said: str) -> None:
    assert str(headline) == said


def test_names_figures_and_powers() -> None:
    assert named((CHANGE, "revision 4")) == "of what revision 4 changed"
    assert links_line(11, 11, 11, 0.083, 12) == "11 of 11 that fail, 11 of all (8.3%); 12.0 times as many as by chance"
    assert [below(chance) for chance in (1, 0.09, 1e-4)] == ["p < 1e1", "p < 1e-1", "p < 1e-3"]
