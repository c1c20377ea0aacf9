from __future__ import annotations

import pytest

from trustplane.fault import Refused
from trustplane.spiffe.federation_endpoint import EndpointUrl


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://trust.partner.example/bundle", ("trust.partner.example", 443, "/bundle")),
        ("https://trust.partner.example:8443", ("trust.partner.example", 8443, "/")),
        ("https://192.0.2.7:8443/a?b=c", ("192.0.2.7", 8443, "/a?b=c")),
        ("https://[2001:db8::7]/bundle", ("2001:db8::7", 443, "/bundle")),
        ("https://trust.partner.example?x", ("trust.partner.example", 443, "/?x")),
    ],
)
def test_a_url_is_a_host_a_port_and_a_target(text: str, parts: tuple[str, int, str]) -> None:
    url = EndpointUrl(text)
    assert (url.host, url.port, url.target) == parts


@pytest.mark.parametrize(
    "text",
    [
        "http://trust.partner.example/bundle",
        "HTTPS://trust.partner.example/bundle",
        "spiffe://partner.example/bundle",
        "https://user@trust.partner.example/",
        "https://user:secret@trust.partner.example/",
        "https://@trust.partner.example/",
        "https://trust.partner.example\\@evil.example/",
        "https://trust.partner.example:0/",
        "https://trust.partner.example:65536/",
        "https://trust.partner.example:/",
        "https://",
        "https:///bundle",
        "https://trust.partner.example/#fragment",
        "https://trust.partner.example/a b",
        "https://trust.partner.example/\r\nHost: evil.example",
        "https://trust.partner.example/\n",
        "https://träust.example/",
        "https://trust.partner.example/" + "x" * 2048,
    ],
)
def test_fe_7_any_other_url_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        EndpointUrl(text)
    assert refused.value.code == "bad-endpoint-url"
    assert str(refused.value).isprintable() or "\n  why" in str(refused.value)
