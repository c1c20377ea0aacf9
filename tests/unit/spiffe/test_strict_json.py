from __future__ import annotations

import pytest

from trustplane.fault import Refused
from trustplane.spiffe.strict_json import parse_object


@pytest.mark.parametrize(
    "document",
    [
        b"", b"{", b"[]", b"null", b"1", b'"a"', b"{}x", b"{} {}", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00",
        '{"a":1}'.encode("utf-16"), b'{"a":"\xff"}', b'{"a":1,"a":1}', b'{"a":{"b":1,"\\u0062":2}}', b'{"a":NaN}',
        b'{"a":-Infinity}', b'{"a":"\\ud800"}', b'{"\\uDFFF":1}', b'{"a":' + b"9" * 5000 + b"}", b"[" * 100_000,
        b'{"a":' * 10_000, b"{'a':1}", b'{"a":1,}', b'{"a":"\x01"}',
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_refused(document: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_object(document, "the document", 200_000)
    assert caught.value.code == "bad-json"
    assert len(str(caught.value)) < 500


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}', "the document", 100) == {"a": "\U0001f600"}


def test_the_limit_is_inclusive() -> None:
    assert parse_object(b"{}", "the document", 2) == {}
    with pytest.raises(Refused):
        parse_object(b"{} ", "the document", 2)


def test_the_refusal_names_the_document_and_the_name_that_stands_twice() -> None:
    with pytest.raises(Refused) as caught:
        parse_object(b'{"keys":[],"keys":[]}', "the bundle of acme.example", 100)
    assert "the bundle of acme.example" in str(caught.value)
    assert "'keys'" in str(caught.value)
