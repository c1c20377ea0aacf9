"""Every entry has a proof, every older tree has one, and no proof shows anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustplane.audit.checkpoint import Checkpoint
from trustplane.audit.log import AuditEntry
from trustplane.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from trustplane.audit.verify import Verification
from trustplane.fault import Refused

LEAVES = st.lists(st.binary(max_size=4).map(leaf_hash), min_size=1, max_size=40)
BODIES = st.lists(st.binary(min_size=1, max_size=8), min_size=2, max_size=30, unique=True)


@given(leaves=LEAVES, draw=st.data())
def test_every_entry_is_provably_included_and_nowhere_else(leaves: list[bytes], draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, len(leaves) - 1))
    proof, root = inclusion_proof(index, leaves), root_of(leaves)
    verify_inclusion(leaves[index], index, len(leaves), proof, root)
    other = draw.draw(st.integers(0, len(leaves) - 1))
    if leaves[other] != leaves[index]:
        with pytest.raises(Refused):
            verify_inclusion(leaves[other], index, len(leaves), proof, root)


@given(leaves=LEAVES, draw=st.data())
def test_every_older_tree_is_provably_continued(leaves: list[bytes], draw: st.DataObject) -> None:
    size = draw.draw(st.integers(1, len(leaves)))
    proof = consistency_proof(size, leaves)
    verify_consistency((size, root_of(leaves[:size])), (len(leaves), root_of(leaves)), proof)
    with pytest.raises(Refused):
        verify_consistency((size, leaf_hash(b"forked")), (len(leaves), root_of(leaves)), proof)


@given(leaves=LEAVES, cut=st.integers(0, 40))
def test_appending_in_pieces_makes_the_same_tree(leaves: list[bytes], cut: int) -> None:
    assert Frontier().extend(leaves[:cut]).extend(leaves[cut:]) == Frontier().extend(leaves)


@given(bodies=BODIES, draw=st.data())
def test_any_one_change_to_a_log_is_found(bodies: list[bytes], draw: st.DataObject) -> None:
    entries = [AuditEntry(place, body, leaf_hash(body)) for place, body in enumerate(bodies)]
    tree = Frontier().extend(entry.leaf_hash for entry in entries)
    kept = Checkpoint("acme.example/audit", tree.size, tree.root)
    first = draw.draw(st.integers(0, len(entries) - 1))
    second = draw.draw(st.integers(0, len(entries) - 1).filter(lambda other: other != first))
    match draw.draw(st.sampled_from(["nothing", "edit", "rewrite", "swap", "drop", "truncate"])):
        case "edit":
            entries[first] = replace(entries[first], body=bodies[first] + b"!")
        case "rewrite":  # consistently: the stored hash too
            body = bodies[first] + b"!"
            entries[first] = AuditEntry(first, body, leaf_hash(body))
        case "swap":
            entries[first], entries[second] = entries[second], entries[first]
        case "drop":
            del entries[first]
        case "truncate":
            del entries[first:]
        case _:
            check = Verification([kept])
            check.feed(entries)
            assert check.findings((tree.size, tree.hashes)) == ()
            return
    check = Verification([kept])
    check.feed(entries)
    assert check.findings((tree.size, tree.hashes))
