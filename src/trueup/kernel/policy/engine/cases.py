"""Tests of policies, written as data: who asks for what, and what must be the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trueup.kernel.documents import Document, check_schema
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.policy.engine.decide import decide
from trueup.kernel.policy.engine.matrix import with_examples
from trueup.kernel.policy.engine.model import Decision, Principal, PrincipalKind, Request, Resource, Risk
from trueup.kernel.policy.engine.store import PolicyStore

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """One question with the answer that is expected.

    Args:
        place: file and line of the case.
        expect_allowed: what must be decided.
        expect_policy: id that must be among the deciding policies; empty where any will do.
    """

    name: str
    place: str
    request: Request
    expect_allowed: bool
    expect_policy: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one case came to; ``problem`` is empty when it holds."""

    case: Case
    decision: Decision
    problem: str


@dataclass(frozen=True, slots=True)
class TestReport:
    """What a file of cases came to."""

    __test__ = False

    file: str
    digest: str
    results: tuple[CaseResult, ...]

    @property
    def failures(self) -> tuple[CaseResult, ...]:
        """The cases that do not hold."""
        return tuple(result for result in self.results if result.problem)

    @property
    def ok(self) -> bool:
        """Whether every case holds."""
        return not self.failures


def read_cases(document: Document, schema: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the cases of a document.

    Raises:
        UnreadableInput: the document does not follow the schema, or two cases have one name; with file, line and field.
    """
    check_schema(document, schema)
    cases: dict[str, Case] = {}
    for i, body in enumerate(document.value["cases"]):
        if body["name"] in cases:
            document.refuse(("cases", i, "name"), f"two cases are named {body['name']!r}", error=UnreadableInput)
        cases[body["name"]] = _case(document, i, body, document.value.get("tenant", "here"))
    return tuple(cases.values())


def _case(document: Document, i: int, body: Mapping[str, Any], tenant: str) -> Case:
    kind, _, id = body["principal"].partition(":")
    principal = Principal(
        kind=PrincipalKind(kind),
        id=id,
        tenant=body.get("tenant", tenant),
        roles=frozenset(body["roles"]),
        is_agent=body.get("is_agent", False),
        mfa=body.get("mfa", False),
    )
    thing = body.get("resource", {})
    resource = Resource(
        kind=thing.get("kind", "any"),
        id=thing.get("id", "*"),
        tenant=thing.get("tenant", principal.tenant),
        owner=thing.get("owner", ""),
        created_by=thing.get("created_by", ""),
    )
    return Case(
        name=body["name"],
        place=document.place(("cases", i)),
        request=Request(principal, body["action"], resource, _MOMENT, Risk(body.get("risk", Risk.R1))),
        expect_allowed=body["expect"] == "allow",
        expect_policy=body.get("policy", ""),
    )


def run_cases(store: PolicyStore, file: str, cases: tuple[Case, ...]) -> TestReport:
    """Decide every case and compare; ``tag.read`` and its like name any action that carries that tag alone."""
    known = with_examples(store)
    return TestReport(file, store.digest, tuple(_run(known, case) for case in cases))


def _run(store: PolicyStore, case: Case) -> CaseResult:
    decision = decide(store, case.request)
    words = {True: "allow", False: "deny"}
    problem = ""
    if case.request.action not in store.actions:
        problem = f"no action named {case.request.action} is registered"
    elif unknown := sorted(case.request.principal.roles - set(store.roles)):
        problem = f"no role named {', '.join(unknown)} is declared"
    elif decision.errors:
        problem = f"could not be evaluated: {'; '.join(decision.errors)}"
    elif decision.allowed != case.expect_allowed:
        problem = f"expected {words[case.expect_allowed]}, got {words[decision.allowed]}: {'; '.join(decision.reasons)}"
    elif case.expect_policy and case.expect_policy not in decision.policy_ids:
        problem = f"expected policy {case.expect_policy}, got {', '.join(decision.policy_ids) or 'none'}"
    return CaseResult(case, decision, problem)
