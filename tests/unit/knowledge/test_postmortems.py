"""Postmortems say exactly what was wrong, link to what is there, and are refused with all that they lack at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trustplane.fault import Refused
from trustplane.host.knowledge_files import MAX_FILES, postmortems, shipped_postmortems, write_new
from trustplane.knowledge.front_matter import MAX_BYTES
from trustplane.knowledge.misconfiguration import FIELDS, Misconfiguration
from trustplane.knowledge.moment import Moment
from trustplane.knowledge.new_postmortem import begun
from trustplane.knowledge.postmortem import Postmortem
from trustplane.main.known import came_along

LIBRARY = came_along()
KNOWN = LIBRARY.known()
SHIPPED = shipped_postmortems()
GOOD = """\
---
title: Pay refused every caller
began: 2026-11-27
happened_to: acme.example
misconfigured:
  - {of: leaf, which: pay on node-a, field: not-after, was: "2026-11-27 10:00Z", should: a day later}
detected: by a 503
timeline:
  - {at: "2026-11-27", event: the leaf ends}
  - {at: 2026-11-27 10:02Z, event: the first caller is refused}
causes: [leaf-expired]
signatures: [envoy-leaf-expired]
alerts: [TrustplaneLeavesLost]
runbooks: [expired-certificate]
prevented_by: [renewal that is watched]
sources:
  - {url: "https://git.acme.example/1", dated: 2026-11, says: the log}
---

# Pay refused every caller
"""


def codes(text: str) -> list[str]:
    with pytest.raises(Refused) as refusal:
        Postmortem.parse("trust/postmortems/some.md", text.encode(), KNOWN)
    assert all(one.place is not None for one in refusal.value.findings)
    return [one.code for one in refusal.value.findings]


def test_a_postmortem_is_read() -> None:
    one = Postmortem.parse("trust/postmortems/some.md", GOOD.encode(), KNOWN)
    assert (one.slug, one.began.on, one.causes) == ("some", "2026-11-27", ("leaf-expired",))
    assert one.misconfigured[0] == Misconfiguration(
        "leaf", "pay on node-a", "not-after", "2026-11-27 10:00Z", "a day later"
    )
    assert [at.on for at in one.timeline] == ["2026-11-27", "2026-11-27 10:02Z"]
    assert Postmortem.parse("trust/postmortems/some.md", GOOD.replace("\n", "\r\n").encode()).body == one.body


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("field: not-after", "field: pin", "inexact-misconfiguration"),
        ('was: "2026-11-27 10:00Z"', "was: expired", "inexact-misconfiguration"),
        ("should: a day later", 'should: "2026-11-27 10:00Z"', "inexact-misconfiguration"),
        ("of: leaf", "of: certificate", "unknown-value"),
        ("which: pay on node-a, ", "", "missing-key"),
        ("causes: [leaf-expired]", "causes: [leaf-expierd]", "dead-link"),
        ("alerts: [TrustplaneLeavesLost]\n", "", "unlinked-postmortem"),
        ("prevented_by:", "unlinked: {causes: there was none}\nprevented_by:", "unlinked-postmortem"),
        ("began: 2026-11-27", "began: yesterday", "bad-moment"),
        ("began: 2026-11-27", "began: 2026-02-30", "bad-moment"),
        ('at: "2026-11-27"', 'at: "2026-11-28"', "timeline-out-of-order"),
        ('url: "https://git.acme.example/1"', 'url: "javascript:alert(1)"', "bad-source"),
        ("dated: 2026-11,", "dated: 2026-13,", "bad-moment"),
        ("sources:\n  - {", "sources: []\nmore:\n  - {", "wrong-type"),
        ("title: Pay refused every caller\n", "", "missing-key"),
        ("happened_to:", "happend_to:", "unknown-key"),
        ("---\n\n#", "\n#", "no-front-matter"),
    ],
)
def test_what_it_lacks_is_named(before: str, after: str, code: str) -> None:
    assert before in GOOD
    assert code in codes(GOOD.replace(before, after, 1))


def test_everything_that_is_wrong_is_named_at_once_and_in_its_line() -> None:
    text = GOOD.replace("began: 2026-11-27", "began: now").replace("[leaf-expired]", "[no-such]").replace(": by", ":  ")
    with pytest.raises(Refused) as refusal:
        Postmortem.parse("some.md", text.encode(), KNOWN)
    found = {(one.code, one.place.line if one.place else 0) for one in refusal.value.findings}
    assert {("bad-moment", 3), ("dead-link", 11)} <= found


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"---\n---\n", b"---\n[]\n---\n", GOOD.encode() + b"x" * MAX_BYTES]
)
def test_what_is_no_postmortem_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        Postmortem.parse("some.md", content, KNOWN)


@pytest.mark.parametrize("name", ["Some.md", "a b.md", "-.md", "a" * 40 + "/..md"])
def test_its_name_can_be_linked_to(name: str) -> None:
    with pytest.raises(Refused, match="bad-postmortem-name"):
        Postmortem.parse(name, GOOD.encode())


@pytest.mark.parametrize("of", FIELDS)
def test_every_object_has_fields_that_are_values_of_it(of: str) -> None:
    for field in FIELDS[of]:
        assert Misconfiguration(of, "it", field, "one", "two").field == field


def test_times_of_a_line_may_be_as_exact_as_they_are_known() -> None:
    assert Moment("2026-11-27 10:02:31Z").at() > Moment("2026-11-27T10:02Z").at() > Moment("2026-11-27").at()


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.slug)
def test_a_shipped_one_leads_to_what_there_is_and_stands_on_a_public_source(one: Postmortem) -> None:
    again = Postmortem.parse(one.file, Path(one.file).read_bytes(), KNOWN)
    assert again == one
    assert all(source.url.startswith("https://") for source in one.sources)
    assert one.body.startswith(f"# {one.title}\n")
    assert one.causes
    assert one.signatures


def test_there_are_some_and_they_are_of_many_kinds() -> None:
    assert len(SHIPPED) >= 20
    fields = {f"{wrong.of} {wrong.field}" for one in SHIPPED for wrong in one.misconfigured}
    assert len(fields) >= 10


def test_a_new_one_is_refused_until_it_is_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "postmortems" / "mine.md"
    write_new(path, begun(LIBRARY, "2026-11-27", "envoy-leaf-expired"))
    with pytest.raises(Refused) as refusal:
        postmortems(path.parent, KNOWN)
    assert {"wrong-type"} <= {one.code for one in refusal.value.findings}
    assert "dead-link" not in {one.code for one in refusal.value.findings}
    with pytest.raises(Refused, match="postmortem-exists"):
        write_new(path, "again")
    with pytest.raises(Refused, match=r"no-such-signature.*envoy-leaf-expired"):
        begun(LIBRARY, "2026-11-27", "envoy-leaf-expird")


def test_all_of_a_folder_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    (tmp_path / "one.md").write_text(GOOD.replace("of: leaf", "of: x"))
    (tmp_path / "two.md").write_text("no front matter")
    (tmp_path / "README.md").write_text("# about this folder")
    with pytest.raises(Refused) as refusal:
        postmortems(tmp_path, KNOWN)
    assert {Path(one.place.file).name for one in refusal.value.findings if one.place} == {"one.md", "two.md"}


def test_nothing_is_waited_for_and_no_link_leads_out(tmp_path: Path) -> None:
    folder = tmp_path / "postmortems"
    folder.mkdir()
    os.mkfifo(folder / "pipe.md")
    (tmp_path / "outside.md").write_text(GOOD)
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (folder / "real").mkdir()
    (folder / "real" / "mounted.md").write_text(GOOD)
    (folder / "mounted.md").symlink_to(folder / "real" / "mounted.md")
    with pytest.raises(Refused) as refusal:
        postmortems(folder)
    assert [one.what.rpartition("/")[2] for one in refusal.value.findings] == [
        "link.md cannot be read",
        "pipe.md cannot be read",
    ]


def test_files_are_bounded(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.md").touch()
    with pytest.raises(Refused, match="too-many-files"):
        postmortems(tmp_path)
