"""Whatever the bytes, the parsers of a trust repository give a state or refuse, and say so in printable text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kit.repository import PAYMENTS, WEB, repository
from trustplane.fault import Finding, Refused
from trustplane.registry import yaml_tree
from trustplane.registry.findings import MAX_FINDINGS, Findings
from trustplane.registry.model import DesiredState
from trustplane.registry.repository import read

KEYS = ["owners", "selectors", "nodes", "profile", "id", "ports", "operations", "calls", "probes", "data", "hint"]
KEYS += ["mttd", "mttr", "waives", "service", "reason", "owner", "until"]
KEYS += ["federation", "endpoint", "endpoint_id", "accepts", "roots", "foreign_callers", "foreign_calls", "shared_with"]
WORDS = [
    "shop/payments",
    "outlives-detection",
    "2030-02-30",
    "listen",
    "app",
    "mesh",
    "unix:uid:1",
    "GET /a/*",
    "1h",
    "<<",
    "~",
    "",
    "partner.example",
    "https://trust.partner.example/bundle",
    "https_spiffe",
    "spiffe://partner.example/ns/billing/",
    "/ns/shop/",
    "192.0.2.7:20201",
    "x" * 300,
    "\x1b[0m",
]
PATHS = [
    *repository(),
    "profiles/standard.yaml",
    "waivers/a.yaml",
    "services/shop/a/service.yaml",
    "federation/partner.example.json",
    "x",
    "../x",
    "\udc80",
    "a\n.yaml",
]

VALUES = st.recursive(
    st.sampled_from(WORDS) | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS + WORDS), inner, max_size=4),
    max_leaves=12,
)
SYNTAX = st.lists(
    st.sampled_from(
        [*"[]{}&*!|>%@`'\"#?:-, \n\t\r\0", "\ufeff", "\u2028", "\ud7ff", "- ", ": ", "a", "---\n", "...\n", "<<"]
    )
    | st.characters(codec="utf-8"),
    max_size=60,
).map("".join)
DOCUMENTS = st.one_of(
    st.binary(max_size=200),
    SYNTAX.map(lambda text: text.encode()),
    VALUES.map(lambda value: yaml.safe_dump(value).encode()),
)


def attempt(files: dict[str, bytes]) -> DesiredState | None:
    try:
        return read(files)
    except Refused as refused:
        check_findings(refused.findings)
        return None


def check_findings(found: tuple[Finding, ...]) -> None:
    assert 0 < len(found) <= MAX_FINDINGS + 1
    for finding in found:
        assert all(sentence.isprintable() for sentence in (finding.what, finding.why, finding.fix))
        assert str(finding.place).isprintable()
        assert len(str(finding)) < 3_000


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATHS), DOCUMENTS)
def test_any_file_is_admitted_or_refused(path: str, content: bytes) -> None:
    attempt({**repository(), path: content})


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_service_is_admitted_or_refused(fields: dict[str, object]) -> None:
    attempt({**repository(), "services/shop/web/service.yaml": yaml.safe_dump(fields).encode()})


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([WEB, PAYMENTS]), st.integers(0, 200), st.binary(max_size=6), st.integers(0, 6))
def test_a_damaged_file_is_admitted_or_refused(content: str, at: int, patch: bytes, cut: int) -> None:
    damaged = content.encode()[:at] + patch + content.encode()[at + cut :]
    attempt({**repository(), "services/shop/web/service.yaml": damaged})


@settings(max_examples=200, deadline=None)
@given(SYNTAX)
@example("a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n")
@example("%TAG ! tag:x,2000:\n--- !x {}\n")
@example("%YAML 1.1\n---\na: 1\n")
def test_both_of_the_library_s_loaders_are_contained(text: str) -> None:
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(yaml_tree, "_Loader", loader)
            found = Findings()
            tree = yaml_tree.parse("f.yaml", text.encode(), found)
            assert (tree is None) <= (len(found) > 0)


BOMBS = {
    "deep lists": b"[" * 260_000,
    "deep mappings": b"{a: " * 60_000,
    "deep blocks": b"".join(b" " * level + b"a:\n" for level in range(700)),
    "deep dashes": b"- " * 130_000 + b"a",
    "complex keys": b"? " * 130_000,
    "one long word": b"a" * 260_000,
    "one long key": b"a" * 260_000 + b": 1",
    "one long quoted word": b'"' + b"\\x41" * 65_000 + b'"',
    "many keys": b"".join(b"owners%d: 1\n" % number for number in range(18_000)),
    "many unknown keys": b"".join(b"owners%d: 1\n" % number for number in range(5_000)),
    "many bad selectors": b"selectors: [" + b"unix:uid:x, " * 5_000 + b"]",
    "many colons": b": " * 130_000,
    "many anchors": b"".join(b"a%d: &a%d 1\n" % (number, number) for number in range(12_000)),
    "laughs": b"a: &a [l]\n" + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b"*%c," % n * 9) for n in range(97, 120)),
    "many comments": b"#\n" * 130_000,
    "tabs": b"\t" * 260_000,
    "nulls": b"\0" * 260_000,
    "long flow with a late colon": b"[" + b"a, " * 4_000 + b"a" * 2_000 + b": b]",
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.timeout(20)  # a guard against hanging; each is refused in a fraction of a second
def test_a_bomb_is_refused(name: str) -> None:
    assert attempt({**repository(), "services/shop/web/service.yaml": BOMBS[name]}) is None
