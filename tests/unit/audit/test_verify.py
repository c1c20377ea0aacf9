"""Each way of changing a log, and the index that is named for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trustplane.audit.checkpoint import Checkpoint
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import Frontier, leaf_hash
from trustplane.audit.verify import Verification

BODIES = [f"event {number}".encode() for number in range(12)]
ENTRIES = [AuditEntry(place, body, leaf_hash(body)) for place, body in enumerate(BODIES)]
HEAD = Frontier().extend(map(leaf_hash, BODIES))


def kept_at(size: int) -> Checkpoint:
    return Checkpoint("acme.example/audit", size, Frontier().extend(map(leaf_hash, BODIES[:size])).root)


def findings(
    entries: Sequence[AuditEntry], *kept: Checkpoint, head: Frontier | None = None, page: int = 5
) -> list[tuple[str, str]]:
    check = Verification(kept)
    for start in range(0, len(entries), page):
        check.feed(entries[start : start + page])
    tree = head or HEAD
    return [(each.code, each.what + each.why) for each in check.findings((tree.size, tree.hashes))]


def consistent(bodies: Sequence[bytes]) -> tuple[list[AuditEntry], Frontier]:
    """What someone who can write every table would leave."""
    entries = [AuditEntry(place, body, leaf_hash(body)) for place, body in enumerate(bodies)]
    return entries, Frontier().extend(entry.leaf_hash for entry in entries)


def test_an_untouched_log_has_no_findings() -> None:
    assert findings(ENTRIES, kept_at(0), kept_at(7), kept_at(12)) == []
    assert findings([], head=Frontier()) == []


def test_an_edited_body_is_named_by_its_index() -> None:
    entries = [*ENTRIES[:4], replace(ENTRIES[4], body=b"event X"), *ENTRIES[5:]]
    found = findings(entries, kept_at(12))
    assert found[0][0] == "audit-entry-edited"
    assert "entry 4 " in found[0][1]


def test_a_consistent_rewrite_is_found_by_a_checkpoint_and_its_range_named() -> None:
    entries, head = consistent([*BODIES[:8], b"event X", *BODIES[9:]])
    assert findings(entries, head=head) == []  # nothing inside the log can tell
    ((code, said),) = findings(entries, kept_at(7), kept_at(10), head=head)
    assert code == "audit-log-rewritten"
    assert "between entries 7 and 9" in said


def test_a_cut_tail_is_found_by_a_checkpoint_from_outside() -> None:
    entries, head = consistent(BODIES[:9])
    ((code, said),) = findings(entries, kept_at(5), kept_at(12), head=head)
    assert code == "audit-log-cut-short"
    assert "entries 9 to 11 are missing" in said


def test_a_cut_tail_is_found_by_the_head_when_that_was_left() -> None:
    ((code, said),) = findings(ENTRIES[:9])
    assert code == "audit-head-differs"
    assert "counts 12 entries, and 9 were found" in said


def test_a_fork_is_found_even_when_it_is_longer() -> None:
    entries, head = consistent([*BODIES[:6], b"other 6", b"other 7", *BODIES])
    ((code, said),) = findings(entries, kept_at(6), kept_at(12), head=head)
    assert code == "audit-log-rewritten"
    assert "between entries 6 and 11" in said


def test_two_entries_that_changed_places_are_named() -> None:
    entries = [*ENTRIES]
    entries[3], entries[8] = entries[8], entries[3]
    found = findings(entries, kept_at(12))
    assert [said for code, said in found if code == "audit-entry-out-of-order"] == [
        "where entry 3 should be is entry 8entries are numbered without gaps in the order they were appended",
        "where entry 8 should be is entry 3entries are numbered without gaps in the order they were appended",
    ]


def test_a_renumbered_swap_is_found_by_the_root() -> None:
    bodies = [*BODIES]
    bodies[3], bodies[8] = bodies[8], bodies[3]
    entries, head = consistent(bodies)
    ((code, _),) = findings(entries, kept_at(12), head=head)
    assert code == "audit-log-rewritten"


def test_a_missing_entry_is_named_where_the_gap_begins() -> None:
    found = findings([*ENTRIES[:2], *ENTRIES[3:]])
    assert found[0] == (
        "audit-entry-out-of-order",
        "where entry 2 should be is entry 3entries are numbered without gaps in the order they were appended",
    )


def test_a_head_whose_hashes_were_changed_is_found() -> None:
    other = Frontier().extend(map(leaf_hash, [*BODIES[:-1], b"other"]))
    assert [code for code, _ in findings(ENTRIES, head=other)] == ["audit-head-differs"]


def test_a_ruined_log_is_told_in_bounded_words() -> None:
    ruined = [AuditEntry(place, b"x", bytes(32)) for place in range(5000)]
    assert len(findings(ruined, head=Frontier(), page=1000)) < 120
