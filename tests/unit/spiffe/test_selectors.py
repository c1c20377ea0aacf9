from __future__ import annotations

import pytest

from trustplane.fault import Refused
from trustplane.spiffe.selectors import MAX_VALUE_CHARACTERS, Selector


@pytest.mark.parametrize("text", ["unix:uid:1001", "unix:path:/usr/bin/a:b", "systemd:unit:web.service", "a:b:c d"])
def test_a_selector_is_attestor_fact_and_value(text: str) -> None:
    assert str(Selector.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "unix", "unix:uid", "unix:uid:", ":uid:1", "unix::1", "Unix:uid:1", "unix:uid:1\n", "1x:uid:1", "a-b:c:d"],
)
def test_what_lacks_a_part_or_cannot_be_printed_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        Selector.parse(text)
    assert caught.value.code == "bad-selector"


def test_values_are_bounded() -> None:
    assert Selector("unix:path", "a" * MAX_VALUE_CHARACTERS).kind == "unix:path"
    with pytest.raises(Refused):
        Selector("unix:path", "a" * (MAX_VALUE_CHARACTERS + 1))
