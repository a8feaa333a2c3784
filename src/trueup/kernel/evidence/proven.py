"""Stored facts that are proven to be those the ledger holds."""

import json
from dataclasses import replace
from uuid import UUID

from trueup.kernel.errors import Damaged
from trueup.kernel.evidence import facts as factstore
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.engine import notes
from trueup.kernel.evidence.engine.encode import raw
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.evidence.keys import KeyFolder
from trueup.kernel.evidence.merkle import Frontier, leaf_hash
from trueup.kernel.evidence.models import Fact as Row
from trueup.kernel.evidence.models import Leaf, Pending
from trueup.kernel.evidence.snapshot import snapshot
from trueup.kernel.evidence.storecheck import leaves


def proven_facts(tenant: UUID, *, keys: KeyFolder) -> tuple[list[Fact], list[str]]:
    """Return every fact of a tenant that a checkpoint covers, each with the key that signed for it, and what is wrong.

    Args:
        tenant: whose facts.
        keys: whose trusted keys may have signed.

    Returns:
        Facts with ``signers`` filled, and one sentence for each batch that is not as it was recorded.
    """
    with snapshot():
        return _proven(tenant, keys)


def _proven(tenant: UUID, keys: KeyFolder) -> tuple[list[Fact], list[str]]:
    waiting = Pending.objects.filter(tenant=tenant).values("entry")
    claimed = set(Row.objects.filter(tenant=tenant).exclude(entry__in=waiting).values_list("entry", flat=True).distinct())
    last = ledger.newest(tenant)
    if last is None:
        return [], ["facts are stored, but no checkpoint covers them"] if claimed else []
    batches, root, problems = _batches(tenant, last.size)
    mark, problem = _signer(tenant, last.note, root, last.size, keys)
    if problem:
        return [], [*problems, problem]
    found: list[Fact] = []
    for index, (entry, stated) in batches.items():
        try:
            known = factstore.of_entry(tenant, entry)
        except Damaged:
            known = []
        if factstore.digest(known) != stated:
            problems.append(f"the facts of entry {index} are not those that were recorded with it")
        else:
            found += [replace(fact, signers=(mark,)) for fact in known]
    if claimed - {entry for entry, _ in batches.values()}:
        problems.append("some facts claim entries that recorded none")
    return found, problems


def _batches(tenant: UUID, size: int) -> tuple[dict[int, tuple[int, object]], bytes, list[str]]:
    """Walk the log: entries that recorded facts, with what they say of them; the root; what is wrong."""
    frontier, batches, problems = Frontier(), {}, []
    ids = dict(Leaf.objects.filter(tenant=tenant, index__lt=size).values_list("index", "entry"))
    for index, hashed, _, body in leaves(tenant, size):
        data = raw(body)
        frontier.extend((raw(hashed),))
        if leaf_hash(data) != raw(hashed):
            problems.append(f"entry {index} is not what was recorded")
        elif b'"facts":' in data and (stated := json.loads(data).get("facts")):
            batches[index] = (ids[index], stated)
    return batches, frontier.root(), problems


def _signer(tenant: UUID, note: str, root: bytes, size: int, keys: KeyFolder) -> tuple[str, str]:
    name = ledger.origin(tenant)
    for mark in sorted(keys.trusted_fingerprints()):
        try:
            stated = notes.parse_checkpoint(notes.verify_note(note, name, keys.public_key(mark)))
        except ValueError:
            continue
        if (stated.origin, stated.size, stated.root) == (name, size, root):
            return mark, ""
        return "", f"the newest checkpoint does not cover the {size} entries that are stored"
    return "", "the newest checkpoint is signed by no key that this home trusts"
