from __future__ import annotations

from trustplane.registry.layout import digest


def test_equal_files_have_one_digest_whatever_their_order() -> None:
    assert digest({"a.yaml": b"1", "b.yaml": b"2"}) == digest({"b.yaml": b"2", "a.yaml": b"1"})


def test_the_digest_covers_paths_contents_and_the_border_between_them() -> None:
    digests = {
        digest(files)
        for files in (
            {"a.yaml": b"1"},
            {"a.yaml": b"2"},
            {"b.yaml": b"1"},
            {"a.yaml": b"1", "b.yaml": b""},
            {"a.yam": b"l1"},
            {"a.yaml": b"", "b.yaml": b"1"},
            {},
        )
    }
    assert len(digests) == 7


def test_what_belongs_to_people_is_not_in_the_digest() -> None:
    assert digest({"a.yaml": b"1", "README.md": b"x", ".git/HEAD": b"y"}) == digest({"a.yaml": b"1"})
