"""The Merkle tree of the audit log: RFC 6962 §2.1 hashing, appending, and both kinds of proof.

A log keeps only its frontier, the roots of the full subtrees it is made of, so appending needs no older entry. Proofs
are computed from leaf hashes; verifying one needs the proof and two roots, nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trustplane.fault import Broken, Refused

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves as the hashes of its full subtrees, the largest first: one for each bit set in `size`."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count() or any(len(h) != HASH_BYTES for h in self.hashes):
            raise Broken(
                code="bad-frontier",
                what=f"a tree of {self.size} leaves is kept as {len(self.hashes)} subtrees",
                why="it has one full subtree for each bit set in its size, each with a hash of 32 bytes",
                fix="trustplane audit verify; restore the audit log from a backup when it finds a difference",
            )

    def append(self, leaf: bytes) -> Frontier:
        """The tree with one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The tree with these leaf hashes added, in order."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            hashes.append(leaf)
            size += 1
            # Two subtrees of one size become one: as often as the new size can be halved.
            for _ in range((size & -size).bit_length() - 1):
                right = hashes.pop()
                hashes.append(node_hash(hashes.pop(), right))
        return Frontier(size, tuple(hashes))

    @property
    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    return Frontier().extend(leaves).root


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(index, leaves) of RFC 6962 §2.1.1, over leaf hashes."""
    if not 0 <= index < len(leaves):
        raise _no_proof(f"entry {index} of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(index, leaves[:split]), root_of(leaves[split:])]
    return [*inclusion_proof(index - split, leaves[split:]), root_of(leaves[:split])]


def consistency_proof(old_size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(old_size, leaves) of RFC 6962 §2.1.2, over leaf hashes."""
    if not 0 < old_size <= len(leaves):
        raise _no_proof(f"a tree of {old_size} entries in one of {len(leaves)}")
    return _subproof(old_size, leaves, known=True)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Refused unless the proof shows that leaf at that place under that root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise _unproved("the entry is not inside the tree")
    _check_hashes((leaf, root, *proof))
    place, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise _unproved("the proof is too long")
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    if last != 0 or found != root:
        raise _unproved("the proof does not lead to the root")


def verify_consistency(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> None:
    """Refused unless the proof shows that the new tree continues the old one (RFC 9162 §2.1.4.2)."""
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 <= old_size <= new_size:
        raise _unproved("the newer tree is the smaller one")
    if old_size == 0:
        raise _unproved("every tree continues the empty one, so that proves nothing (RFC 9162 §2.1.4 leaves it out)")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise _unproved("a tree continues itself with an empty proof and the same root")
        return
    _check_hashes((old_root, new_root, *proof))
    _walk_consistency(old, new, proof)


def _walk_consistency(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> None:
    place, last = old[0] - 1, new[0] - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    # A full old tree is itself the first subtree and is not repeated in the proof.
    steps = list(proof) if place else [old[1], *proof]
    if not steps:
        raise _unproved("the proof is too short")
    old_found = new_found = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise _unproved("the proof is too long")
        if place & 1 or place == last:
            old_found, new_found = node_hash(step, old_found), node_hash(step, new_found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_found = node_hash(new_found, step)
        place, last = place >> 1, last >> 1
    if last != 0 or (old_found, new_found) != (old[1], new[1]):
        raise _unproved("the proof does not lead to both roots")


def _subproof(old_size: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    """`known`: the verifier has the root of this subtree already, as the old tree's."""
    if old_size == len(leaves):
        return [] if known else [root_of(leaves)]
    split = _split(len(leaves))
    if old_size <= split:
        return [*_subproof(old_size, leaves[:split], known=known), root_of(leaves[split:])]
    return [*_subproof(old_size - split, leaves[split:], known=False), root_of(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise _unproved("it holds something that is not a SHA-256 hash")


def _no_proof(what: str) -> Refused:
    return Refused(
        code="no-such-proof",
        what=f"there is no proof for {what}",
        why="a proof is about entries the log holds",
        fix="trustplane audit show says how many entries there are",
    )


def _unproved(why: str) -> Refused:
    return Refused(
        code="audit-proof-fails",
        what="the proof does not show what it should",
        why=why,
        fix="fetch the proof again for these sizes; if it still fails, the log was changed: trustplane audit verify",
    )
