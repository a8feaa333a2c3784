"""Merkle trees over a log's leaves: hashes, proofs, and their verification.

Pure, standard library only: an auditor can read this beside RFC 6962 section 2.1 and RFC 9162 section 2.1.
"""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256().digest()


class ProofError(ValueError):
    """A Merkle proof is malformed or does not prove what it should."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an interior node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _checked_hashes(*hashes: bytes) -> None:
    for value in hashes:
        if not isinstance(value, bytes) or len(value) != 32:
            raise ProofError("expected hashes of 32 bytes")


def _checked_sizes(*sizes: int) -> None:
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ProofError(f"expected a size or index of at least 0, got {size!r}")


def verify_inclusion(*, leaf_index: int, tree_size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at an index of the tree with this root.

    Args:
        leaf_index: 0-based position of the leaf.
        tree_size: number of leaves of the tree.
        leaf_hash: 32 bytes, ``leaf_hash(data)``.
        proof: sibling hashes from the leaf up, 32 bytes each.
        root: the tree's root hash, 32 bytes.

    Raises:
        ProofError: the proof is malformed or leads to another root.

    References:
        RFC 9162, section 2.1.3.2.
    """
    _checked_sizes(leaf_index, tree_size)
    if not isinstance(proof, Sequence) or isinstance(proof, (bytes, str)):
        raise ProofError("expected a sequence of hashes")
    _checked_hashes(leaf_hash, root, *proof)
    if leaf_index >= tree_size:
        raise ProofError(f"expected an index below the tree size {tree_size}, got {leaf_index}")
    fn, sn, r = leaf_index, tree_size - 1, leaf_hash
    for p in proof:
        if sn == 0:
            raise ProofError("the proof is longer than the path to the root")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the proof is shorter than the path to the root")
    if r != root:
        raise ProofError(f"expected root {root.hex()}, got {r.hex()}")


def verify_consistency(*, size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the tree of ``size2`` leaves only adds to the tree of ``size1`` leaves.

    Args:
        size1: leaves of the older tree.
        size2: leaves of the newer tree, at least ``size1``.
        proof: 32-byte hashes as RFC 9162 orders them; empty when the sizes are equal or ``size1`` is 0.
        root1: root hash of the older tree.
        root2: root hash of the newer tree.

    Raises:
        ProofError: the proof is malformed or the newer tree is not an extension.

    References:
        RFC 9162, section 2.1.4.2.
    """
    _checked_sizes(size1, size2)
    if not isinstance(proof, Sequence) or isinstance(proof, (bytes, str)):
        raise ProofError("expected a sequence of hashes")
    _checked_hashes(root1, root2, *proof)
    if size1 > size2:
        raise ProofError(f"expected the older tree to be the smaller, got sizes {size1} and {size2}")
    if size1 in (0, size2):
        if proof:
            raise ProofError("expected an empty proof")
        if size1 == size2 and root1 != root2:
            raise ProofError("two trees of one size have different roots")
        if size1 == 0 and root1 != EMPTY_ROOT:
            raise ProofError("the root of the empty tree is not SHA-256 of nothing")
        return
    _replay_consistency(size1, size2, list(proof), root1, root2)


def _replay_consistency(size1: int, size2: int, path: list[bytes], root1: bytes, root2: bytes) -> None:
    if size1 & (size1 - 1) == 0:
        path.insert(0, root1)
    if not path:
        raise ProofError("the proof is empty")
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise ProofError("the proof is longer than the path to the root")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the proof is shorter than the path to the root")
    if fr != root1:
        raise ProofError(f"expected the older root {root1.hex()}, got {fr.hex()}")
    if sr != root2:
        raise ProofError(f"expected the newer root {root2.hex()}, got {sr.hex()}")


# --- Building: roots and proofs (RFC 6962 sections 2.1, 2.1.1, 2.1.2) ---


class Frontier:
    """The roots of the full subtrees that a growing tree consists of, largest first.

    Appending needs no other part of the tree, so the root of a million leaves is kept in 20 hashes.

    Args:
        size: number of leaves so far.
        nodes: one 32-byte hash for each 1 bit of ``size``, the largest subtree first.
    """

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(nodes) != size.bit_count():
            raise ProofError(f"expected {size.bit_count()} nodes for {size} leaves, got {len(nodes)}")
        _checked_hashes(*nodes)
        self.size = size
        self.nodes = list(nodes)

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> "Frontier":
        """Read back what ``to_bytes`` wrote."""
        return cls(size, [packed[i : i + 32] for i in range(0, len(packed), 32)])

    def to_bytes(self) -> bytes:
        """Return the nodes, one after the other."""
        return b"".join(self.nodes)

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Append leaf hashes in order."""
        nodes, size, sha256 = self.nodes, self.size, hashlib.sha256
        for value in hashes:
            carry = size
            node = value
            while carry & 1:
                node = sha256(b"\x01" + nodes.pop() + node).digest()
                carry >>= 1
            nodes.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Return the root hash; of no leaves, SHA-256 of nothing."""
        if not self.nodes:
            return EMPTY_ROOT
        node = self.nodes[-1]
        for left in reversed(self.nodes[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root hash of leaves (their data, not their hashes)."""
    sha256 = hashlib.sha256
    return Tree([sha256(b"\x00" + data).digest() for data in leaves]).root()


class Tree:
    """All levels of one tree, for many proofs at once; 64 bytes a leaf.

    Args:
        hashes: the leaf hashes in order.
    """

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self.size = len(hashes)
        self._levels: list[Sequence[bytes]] = [hashes]
        sha256 = hashlib.sha256
        level = hashes
        while len(level) > 1:
            pairs = iter(level)
            above = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
            if len(level) % 2:
                above.append(level[-1])
            self._levels.append(above)
            level = above

    def root(self) -> bytes:
        """Return the root hash."""
        return self._levels[-1][0] if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """Return the inclusion proof of the leaf at an index.

        Raises:
            ProofError: there is no such leaf.
        """
        if not 0 <= index < self.size:
            raise ProofError(f"expected an index below the tree size {self.size}, got {index}")
        proof = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                proof.append(level[sibling])
            index >>= 1
        return proof

    def consistency(self, size1: int) -> list[bytes]:
        """Return the proof that this tree extends its own first ``size1`` leaves.

        Raises:
            ProofError: this tree is smaller than that.
        """
        if not 0 <= size1 <= self.size:
            raise ProofError(f"expected a size of at most {self.size}, got {size1}")
        if size1 in (0, self.size):
            return []
        node, last = size1 - 1, self.size - 1
        depth = 0
        while node & 1:
            node, last, depth = node >> 1, last >> 1, depth + 1
        proof = [self._levels[depth][node]] if node else []
        while last:
            sibling = node ^ 1
            if sibling < len(self._levels[depth]):
                proof.append(self._levels[depth][sibling])
            node, last, depth = node >> 1, last >> 1, depth + 1
        return proof
