from __future__ import annotations

import pytest

from trustplane.fault import Place, Refused
from trustplane.registry.findings import Findings
from trustplane.registry.yaml_tree import MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, Items, Mapping, Node, Text, locate, parse


def tree(content: str | bytes) -> Node:
    found = Findings()
    node = parse("f.yaml", content if isinstance(content, bytes) else content.encode(), found)
    found.refuse_if_any()
    assert node is not None
    return node


def refusal(content: str | bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        tree(content)
    assert len(refused.value.findings) == 1
    return refused.value.code, str(refused.value.finding.place)


def test_every_scalar_is_text() -> None:
    node = tree("[no, 010, 1:30, ~, 1e3, 0x10, 2026-01-01, 'quoted', true]")
    assert isinstance(node, Items)
    texts = [item.text for item in node.items if isinstance(item, Text)]
    assert texts == ["no", "010", "1:30", "~", "1e3", "0x10", "2026-01-01", "quoted", "true"]


def test_places_count_from_one_in_characters() -> None:
    node = tree("über: 1\nports:\n  app: 20101\n")
    assert isinstance(node, Mapping)
    assert locate(node, "ports", "app") == Place("f.yaml", 3, 3)
    assert locate(node, "über") == Place("f.yaml", 1, 1)


def test_a_missing_key_is_located_at_what_is_around_it() -> None:
    node = tree("ports:\n  app: 20101\nowners: [a, b]\n")
    assert locate(node, "ports", "mesh") == Place("f.yaml", 1, 1)
    assert locate(node, "owners", "b") == Place("f.yaml", 3, 13)
    assert locate(node, "profile") == Place("f.yaml", 1, 1)


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        ("a: 1\nb: *x\n", "yaml-feature", "f.yaml:2:4"),
        ("a: &x 1\nb: *x\n", "yaml-feature", "f.yaml:1:4"),
        ("a: &x [1]\n", "yaml-feature", "f.yaml:1:4"),
        ("a: !!python/object/apply:os.system [ls]\n", "yaml-feature", "f.yaml:1:4"),
        ("a: !!str 1\n", "yaml-feature", "f.yaml:1:4"),
        ("a: ! 1\n", "yaml-feature", "f.yaml:1:4"),
        ("<<: {a: 1}\n", "yaml-feature", "f.yaml:1:1"),
        ("a: 1\n---\nb: 1\n", "yaml-feature", "f.yaml:2:1"),
        ("? [a]\n: 1\n", "yaml-feature", "f.yaml:1:3"),
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", "f.yaml:3:1"),
        ("a: [1\n", "bad-yaml", "f.yaml:2:1"),
        ("a:\n\tb: 1\n", "bad-yaml", "f.yaml:2:1"),
        ("", "empty-file", "f.yaml:1:1"),
        ("# only words\n", "empty-file", "f.yaml:1:1"),
        (b"a: \xff\n", "not-utf8", "f.yaml:1:1"),
        ("\ufeffa: 1\n", "invisible-character", "f.yaml:1:1"),
        ("a: 1\nb: \x00\n", "invisible-character", "f.yaml:2:4"),
        ("a: 1 # \u202e hidden\n", "invisible-character", "f.yaml:1:8"),
        ("a: \u2028 b\n", "invisible-character", "f.yaml:1:4"),
        ('a: "\\e[31m"\n', "invisible-character", "f.yaml:1:4"),
        ("a: |\n  two\n  lines\n", "invisible-character", "f.yaml:1:4"),
        ("a: 1\n" + "# " + "x" * MAX_BYTES, "file-too-large", "f.yaml:1:1"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_at_its_place(content: str | bytes, code: str, place: str) -> None:
    assert refusal(content) == (code, place)


def test_depth_is_bounded() -> None:
    deepest = MAX_DEPTH - 1
    assert isinstance(tree("[" * deepest + "x" + "]" * deepest), Items)
    assert refusal("[" * 100_000)[0] == "nested-too-deeply"
    assert refusal("".join(f"{' ' * level}a:\n" for level in range(300)) + " " * 300 + "b")[0] == "nested-too-deeply"


def test_entries_are_bounded() -> None:
    assert refusal("- a\n" * (MAX_ENTRIES + 1)) == ("too-many-entries", "f.yaml:1:1")
    assert refusal("".join(f"a{number}: 1\n" for number in range(MAX_ENTRIES + 1)))[0] == "too-many-entries"
    assert isinstance(tree("- a\n" * MAX_ENTRIES), Items)


def test_windows_line_ends_are_line_ends() -> None:
    node = tree("a: 1\r\nb: 2\r\n")
    assert isinstance(node, Mapping)
    assert [value.text for _, value in node.fields.values() if isinstance(value, Text)] == ["1", "2"]


def test_all_duplicates_are_found_at_once() -> None:
    with pytest.raises(Refused) as refused:
        tree("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [str(finding.place) for finding in refused.value.findings] == ["f.yaml:2:1", "f.yaml:3:11"]
