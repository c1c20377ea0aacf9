from __future__ import annotations

import pytest

from trustplane.fault import Broken, Place, Refused
from trustplane.registry.findings import MAX_FINDINGS, Findings, shown


def refused(code: str, place: Place | None = None) -> Refused:
    return Refused(code=code, what="w", why="y", fix="f", place=place)


def test_what_a_block_refuses_is_collected_with_the_place() -> None:
    findings = Findings()
    with findings.at(Place("a", 1)):
        raise refused("one")
    with findings.at(Place("a", 1)):
        raise refused("two", Place("a", 9))
    with pytest.raises(Refused) as found:
        findings.refuse_if_any()
    assert [(one.code, str(one.place)) for one in found.value.findings] == [("one", "a:1:1"), ("two", "a:9:1")]


def test_only_refusals_are_collected() -> None:
    with pytest.raises(Broken), Findings().at(None):
        raise Broken(code="bug", what="w", why="y", fix="f")


def test_nothing_found_is_nothing_refused() -> None:
    findings = Findings()
    with findings.at(Place("a", 1)):
        pass
    findings.refuse_if_any()
    assert len(findings) == 0


def test_findings_beyond_the_limit_are_counted() -> None:
    findings = Findings()
    for line in range(MAX_FINDINGS + 5):
        with findings.at(Place("a", line + 1)):
            raise refused("one")
    with pytest.raises(Refused) as found:
        findings.refuse_if_any()
    assert len(found.value.findings) == MAX_FINDINGS + 1
    assert found.value.findings[-1].what == "5 further findings are not shown"
    assert len(findings) == MAX_FINDINGS + 5


@pytest.mark.parametrize(
    ("text", "seen"),
    [("web", "web"), ("é", "é"), ("a\x1b[31m", "a\\x1b[31m"), ("\u202e", "\\u202e"), ("x" * 101, "x" * 100 + "...")],
)
def test_quoted_input_is_printable_and_short(text: str, seen: str) -> None:
    assert shown(text) == seen
