"""What left, hop by hop, and by which rule: the record of one run, kept as an artifact."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trueup.domains.automation.engine.decide import Decision
from trueup.kernel.evidence.engine.encode import stamp

LIMIT = 100_000
"""Hops that a record names one by one; later ones are counted."""


@dataclass(slots=True)
class Hop:
    """One hop, as it is recorded.

    Args:
        at: when it was decided.
        via: ``http``, ``browser`` or ``tunnel``; through a tunnel only the host is known.
        address: that was connected to; empty where nothing was.
        outcome: status, or why there is none.
        intent: number of the request among those of its job that change something out there; 0 for one that only reads.
        job: whose it is, in a record of several jobs; empty in a record of one.
    """

    at: datetime
    via: str
    method: str
    url: str
    allowed: bool
    rule_ids: tuple[str, ...]
    reason: str
    address: str = ""
    status: int | None = None
    sent: int = 0
    received: int = 0
    outcome: str = ""
    intent: int = 0
    job: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as one line of the record."""
        return {
            "at": stamp(self.at),
            "via": self.via,
            "method": self.method,
            "url": self.url,
            "allowed": self.allowed,
            "rule_ids": list(self.rule_ids),
            "reason": self.reason,
            "address": self.address,
            "status": self.status,
            "sent": self.sent,
            "received": self.received,
            "outcome": self.outcome,
            **({"intent": self.intent} if self.intent else {}),
            **({"job": self.job} if self.job else {}),
        }


@dataclass(slots=True)
class Record:
    """All hops of one run.

    Args:
        snapshot: digest of the policies that decided.
        hops: in their order, at most ``LIMIT``.
        refused: by host and rule, how often.
        leaving: told of a hop right before it is made; of nothing where it is None.
    """

    snapshot: str
    hops: list[Hop] = field(default_factory=list)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    more: int = 0
    leaving: Callable[[Hop], None] | None = None

    @classmethod
    def joined(cls, snapshot: str, records: Mapping[str, "Record"]) -> "Record":
        """Return the record of several jobs, by the id of each: every hop names its job."""
        found = cls(snapshot)
        for job, record in records.items():
            for hop in record.hops:
                hop.job = job
            room = max(0, LIMIT - len(found.hops))
            found.hops += record.hops[:room]
            found.more += record.more + len(record.hops[room:])
            found.refused += record.refused
        return found

    def note(self, decision: Decision, *, at: datetime, via: str, method: str, rule: str = "", reason: str = "") -> Hop:
        """Write a decision down; ``rule`` says what refused it after the decision about its URL."""
        rules = (rule,) if rule else decision.rule_ids
        hop = Hop(at, via, method, decision.url[:8_192], decision.allowed and not rule, rules, reason or decision.reason)
        if len(self.hops) < LIMIT:
            self.hops.append(hop)
        else:
            self.more += 1
        if not hop.allowed:
            self.refused[decision.target.host if decision.target else "", rules[0]] += 1
        return hop

    def lines(self) -> bytes:
        """Return the record as JSON lines, the first about the whole."""
        about: Mapping[str, Any] = {
            "snapshot": self.snapshot,
            "hops": len(self.hops) + self.more,
            "not_named": self.more,
            "refused": [{"host": host, "rule": rule, "count": n} for (host, rule), n in sorted(self.refused.items())],
        }
        rows = [about, *(hop.document() for hop in self.hops)]
        return b"".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows)
