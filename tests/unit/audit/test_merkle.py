"""RFC 6962 against vectors of another implementation, and the frontier against the definition."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trustplane.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from trustplane.fault import Broken, Refused

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/audit/merkle_proofs.json").read_text())

# The reference tree of RFC 6962's own implementations (certificate-transparency, merkletree_test): its leaves, and its
# roots at every size.
LEAVES = [bytes.fromhex(each) for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
          "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def hashes(texts: Sequence[str] | None) -> list[bytes]:
    return [base64.b64decode(each) for each in texts or ()]


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["file"])
def test_inclusion_vectors(case: dict[str, Any]) -> None:
    root, leaf = (base64.b64decode(case[name] or "") for name in ("root", "leafHash"))
    try:
        verify_inclusion(leaf, case["leafIdx"], case["treeSize"], hashes(case["proof"]), root)
    except Refused:
        assert case["wantErr"]
    else:
        assert not case["wantErr"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["file"])
def test_consistency_vectors(case: dict[str, Any]) -> None:
    old, new = (base64.b64decode(case[name] or "") for name in ("root1", "root2"))
    try:
        verify_consistency((case["size1"], old), (case["size2"], new), hashes(case["proof"]))
    except Refused:
        assert case["wantErr"]
    else:
        assert not case["wantErr"]


def test_the_reference_tree_has_the_reference_roots() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    tree = Frontier()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree = tree.append(leaf_hash(leaf))
        assert tree.root.hex() == root


def test_leaves_and_nodes_are_hashed_apart() -> None:
    # Vectors of transparency-dev/merkle, rfc6962_test.go.
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_proofs_are_those_of_the_reference_tree() -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES]
    happy = [case for case in VECTORS["inclusion"] if case["file"].endswith("happy-path") and case["proof"]]
    assert happy
    for case in happy:
        if case["treeSize"] <= len(LEAVES) and root_of(leaves[: case["treeSize"]]) == base64.b64decode(case["root"]):
            assert inclusion_proof(case["leafIdx"], leaves[: case["treeSize"]]) == hashes(case["proof"])
    for case in VECTORS["consistency"]:
        if case["file"].endswith("happy-path"):
            assert consistency_proof(case["size1"], leaves[: case["size2"]]) == hashes(case["proof"])


@pytest.mark.parametrize(("size", "count"), [(3, 1), (0, 1), (-1, 0), (4, 2)])
def test_a_frontier_that_cannot_be_is_broken(size: int, count: int) -> None:
    with pytest.raises(Broken, match="bad-frontier"):
        Frontier(size, tuple(bytes(32) for _ in range(count)))


def test_a_proof_outside_the_tree_is_refused() -> None:
    with pytest.raises(Refused, match="no-such-proof"):
        inclusion_proof(3, [bytes(32)] * 3)
    with pytest.raises(Refused, match="no-such-proof"):
        consistency_proof(4, [bytes(32)] * 3)
