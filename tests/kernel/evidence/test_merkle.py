"""RFC 6962 and RFC 9162 trees, against the vectors that Certificate Transparency implementations share."""

import hashlib
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.kernel.evidence import merkle
from trueup.kernel.evidence.merkle import Frontier, ProofError, Tree, leaf_hash, root_of, verify_consistency, verify_inclusion

LEAVES = [
    bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    bytes.fromhex(x)
    for x in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
N10 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
N20 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
N47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = [
    (0, 1, []),
    (0, 8, [N10, N20, N47]),
    (5, 8, [N4, N67, ROOTS[3].hex()]),
    (2, 3, [ROOTS[1].hex()]),
    (1, 5, [ROOTS[0].hex(), N20, N4]),
]
CONSISTENCY = [(1, 1, []), (1, 8, [N10, N20, N47]), (6, 8, [N45, N67, ROOTS[3].hex()]), (2, 5, [N20, N4])]


def tree(size: int) -> Tree:
    return Tree([leaf_hash(data) for data in LEAVES[:size]])


@pytest.mark.parametrize("size", range(1, 9))
def test_the_root_of_the_shared_leaves_is_the_published_one(size):
    assert root_of(LEAVES[:size]) == ROOTS[size - 1] == tree(size).root()


def test_the_root_of_no_leaves_is_sha256_of_nothing():
    assert root_of([]) == hashlib.sha256().digest() == Frontier().root()


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones_and_verify(index, size, proof):
    assert [node.hex() for node in tree(size).inclusion(index)] == proof
    verify_inclusion(
        leaf_index=index,
        tree_size=size,
        leaf_hash=leaf_hash(LEAVES[index]),
        proof=[bytes.fromhex(node) for node in proof],
        root=ROOTS[size - 1],
    )


@pytest.mark.parametrize(("size1", "size2", "proof"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones_and_verify(size1, size2, proof):
    assert [node.hex() for node in tree(size2).consistency(size1)] == proof
    verify_consistency(
        size1=size1, size2=size2, proof=[bytes.fromhex(n) for n in proof], root1=ROOTS[size1 - 1], root2=ROOTS[size2 - 1]
    )


hashes = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70)


@given(hashes, st.data())
def test_every_leaf_of_every_tree_has_a_proof_that_verifies(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    built = Tree(leaves)
    proof = built.inclusion(index)
    verify_inclusion(leaf_index=index, tree_size=len(leaves), leaf_hash=leaves[index], proof=proof, root=built.root())


@given(hashes, st.data())
def test_every_older_tree_has_a_consistency_proof_that_verifies(leaves, data):
    size1 = data.draw(st.integers(0, len(leaves)))
    newer, older = Tree(leaves), Tree(leaves[:size1])
    verify_consistency(size1=size1, size2=len(leaves), proof=newer.consistency(size1), root1=older.root(), root2=newer.root())


@given(hashes, st.data())
@settings(max_examples=200)
def test_no_changed_inclusion_proof_verifies(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    built = Tree(leaves)
    case = {
        "leaf_index": index,
        "tree_size": len(leaves),
        "leaf_hash": leaves[index],
        "proof": built.inclusion(index),
        "root": built.root(),
    }
    kind = data.draw(st.sampled_from(["leaf", "root", "drop", "append", "prepend", "flip"]))
    flip = bytes([data.draw(st.integers(1, 255))]) + bytes(31)
    changed = dict(case)
    if kind == "leaf":
        changed["leaf_hash"] = xor(case["leaf_hash"], flip)
    elif kind == "root":
        changed["root"] = xor(case["root"], flip)
    elif kind == "append":
        changed["proof"] = [*case["proof"], bytes(32)]
    elif kind == "prepend":
        changed["proof"] = [case["root"], *case["proof"]]
    elif case["proof"]:
        place = data.draw(st.integers(0, len(case["proof"]) - 1))
        proof = list(case["proof"])
        changed["proof"] = proof[:-1] if kind == "drop" else [*proof[:place], xor(proof[place], flip), *proof[place + 1 :]]
    else:
        return
    with pytest.raises(ProofError):
        verify_inclusion(**changed)


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


CASE = {"leaf_index": 5, "tree_size": 8, "leaf_hash": leaf_hash(LEAVES[5]), "proof": tree(8).inclusion(5), "root": ROOTS[7]}


@pytest.mark.parametrize(
    "change",
    [
        {"leaf_index": -1},
        {"leaf_index": 8},
        {"leaf_index": 4},
        {"leaf_index": True},
        {"leaf_index": 5.0},
        {"tree_size": 5},
        {"tree_size": 16},
        {"tree_size": -8},
        {"tree_size": 0},
        {"leaf_hash": b""},
        {"leaf_hash": "x" * 32},
        {"proof": []},
        {"proof": None},
        {"proof": b"x" * 96},
        {"proof": [b"short"]},
        {"proof": [None, None, None]},
        {"root": ROOTS[6]},
        {"root": bytes(31)},
    ],
)
def test_a_malformed_inclusion_proof_is_a_proof_error(change):
    verify_inclusion(**CASE)
    with pytest.raises(ProofError):
        verify_inclusion(**(CASE | change))


GROWN = {"size1": 6, "size2": 8, "proof": tree(8).consistency(6), "root1": ROOTS[5], "root2": ROOTS[7]}


@pytest.mark.parametrize(
    "change",
    [
        {"size1": 5},
        {"size1": 4},
        {"size1": 9},
        {"size1": -1},
        {"size1": 0},
        {"size2": 6},
        {"size2": 16},
        {"size2": 2**40},
        {"proof": []},
        {"proof": [*tree(8).consistency(6), bytes(32)]},
        {"proof": tree(8).consistency(6)[:-1]},
        {"proof": tree(8).consistency(6)[::-1]},
        {"proof": [b""]},
        {"proof": "abc"},
        {"root1": ROOTS[4]},
        {"root2": ROOTS[6]},
        {"root1": ROOTS[7], "root2": ROOTS[5]},
    ],
)
def test_a_malformed_consistency_proof_is_a_proof_error(change):
    verify_consistency(**GROWN)
    with pytest.raises(ProofError):
        verify_consistency(**(GROWN | change))


def test_two_roots_of_one_size_are_not_consistent():
    verify_consistency(size1=3, size2=3, proof=[], root1=ROOTS[2], root2=ROOTS[2])
    with pytest.raises(ProofError):
        verify_consistency(size1=3, size2=3, proof=[], root1=ROOTS[2], root2=ROOTS[3])


def test_the_empty_tree_is_consistent_only_with_its_own_root():
    verify_consistency(size1=0, size2=3, proof=[], root1=merkle.EMPTY_ROOT, root2=ROOTS[2])
    with pytest.raises(ProofError):
        verify_consistency(size1=0, size2=3, proof=[], root1=ROOTS[0], root2=ROOTS[2])


@given(st.lists(st.lists(st.binary(min_size=32, max_size=32), max_size=9), max_size=9))
def test_a_frontier_grown_in_batches_has_the_root_of_the_whole_tree(batches):
    frontier = Frontier()
    for batch in batches:
        frontier.extend(batch)
        frontier = Frontier.from_bytes(frontier.size, frontier.to_bytes())
    assert frontier.root() == Tree([leaf for batch in batches for leaf in batch]).root()


def test_a_frontier_of_the_wrong_length_is_refused():
    with pytest.raises(ProofError):
        Frontier(3, [bytes(32)])


@pytest.mark.parametrize("index", [-1, 8])
def test_there_is_no_proof_for_a_leaf_outside_the_tree(index):
    with pytest.raises(ProofError):
        tree(8).inclusion(index)
    with pytest.raises(ProofError):
        tree(8).consistency(index if index < 0 else 9)


def test_roots_of_growing_trees_all_differ():
    roots = [tree(size).root() for size in range(1, 9)]
    assert all(a != b for a, b in pairwise(roots))


def test_the_module_imports_without_django_and_without_cryptography():
    code = (
        "import sys, trueup.kernel.evidence.merkle; print([m for m in ('django', 'cryptography', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
