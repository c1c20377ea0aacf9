"""What a proxy makes of a request target before a rule sees it."""

from __future__ import annotations

import pytest

from trustplane.fault import Refused
from trustplane.policy.target import normalised


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/charge", "/charge"),
        ("/charge?x=/../y", "/charge"),
        ("//x/..//charge", "/charge"),
        ("/a/./b/../c", "/a/c"),
        ("/../..", "/"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/%63harge", "/charge"),
        ("/a/%2e%2E/b", "/b"),
        ("/a%20b", "/a%20b"),
        ("/a;b", "/a;b"),
        ("/%252e", "/%252e"),
        ("/a\\b", "/a/b"),
    ],
)
def test_it_is_normalised(target: str, path: str) -> None:
    assert normalised(target) == path


@pytest.mark.parametrize(
    "target", ["", "charge", "/a%2fb", "/a%5Cb", "/a#b", "/a b", "/a\x00", "/\xe4", "*", "http://x/"]
)
def test_what_a_proxy_refuses_has_no_path(target: str) -> None:
    with pytest.raises(Refused, match="target-refused"):
        normalised(target)
