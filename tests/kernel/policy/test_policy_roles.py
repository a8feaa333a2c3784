"""The role policies that come with the product, and their guards."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from policy_actions import ACTIONS, spec

from trueup.kernel.policy.engine.decide import decide
from trueup.kernel.policy.engine.matrix import (
    Answer,
    example_of_each_tag,
    render_matrix,
    render_policies,
    render_tags,
    roles_matrix,
    with_examples,
)
from trueup.kernel.policy.engine.model import ROLES, Principal, PrincipalKind, Request, Resource, Risk
from trueup.kernel.policy.load import KERNEL_POLICIES, ROLE_TESTS, load_policies, run_tests

STORE = load_policies([KERNEL_POLICIES], actions=ACTIONS)
BY_TAG = roles_matrix(with_examples(STORE), example_of_each_tag())
NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAY = {
    "owner": {"read", "operate", "analyse", "approve", "audit", "administer", "destroy"},
    "admin": {"read", "operate", "analyse", "approve", "audit", "administer"},
    "operator": {"read", "operate"},
    "analyst": {"read", "analyse"},
    "approver": {"read", "approve"},
    "auditor": {"read", "audit"},
    "viewer": {"read"},
}


def ask(role: str, action: str, **changes: object) -> Request:
    principal = Principal(PrincipalKind.USER, "pat", "here", frozenset({role} if role else ()))
    request = Request(principal, action, Resource("thing", "1", "here"), NOW)
    return replace(request, **changes)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_call_the_tags_meant_for_it_and_no_other(role):
    column = {action.removeprefix("tag."): row[BY_TAG.roles.index(role)] for action, row in BY_TAG.rows.items()}
    assert {tag for tag, answer in column.items() if answer is Answer.YES} == MAY[role]
    assert {tag for tag, answer in column.items() if answer is Answer.NO} == set(column) - MAY[role]


def test_the_shipped_role_tests_hold():
    report = run_tests(STORE, ROLE_TESTS)
    assert [(failure.case.name, failure.problem) for failure in report.failures] == []
    assert report.ok


def test_the_shipped_role_tests_hold_a_positive_and_a_negative_case_for_each_role():
    seen = {
        (role, r.case.expect_allowed) for r in run_tests(STORE, ROLE_TESTS).results for role in r.case.request.principal.roles
    }
    assert seen >= {(role, expected) for role in ROLES for expected in (True, False)}


def test_the_shipped_role_tests_fail_on_policies_that_permit_everything(tmp_path):
    (tmp_path / "schema.cedarschema").write_bytes((KERNEL_POLICIES / "schema.cedarschema").read_bytes())
    (tmp_path / "all.cedar").write_text('@id("all")\n@reason("all")\npermit (principal, action, resource);')
    report = run_tests(load_policies([tmp_path], actions=ACTIONS), ROLE_TESTS)
    assert {r.case.name for r in report.results if not r.case.expect_allowed} <= {f.case.name for f in report.failures}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_into_another_tenant(role):
    inside = ask(role, "evidence.fact.read")
    across = ask(role, "evidence.fact.read", resource=Resource("fact", "1", "elsewhere"))
    assert decide(STORE, inside).allowed
    assert decide(STORE, across).policy_ids == ("tenants-apart",)


def test_roles_hold_for_actions_that_are_registered_later():
    later = spec("estate.ring.promote", "R3", "write", "operate")
    store = load_policies([KERNEL_POLICIES], actions=(*ACTIONS, later))
    matrix = roles_matrix(store, [later])
    assert {role for role in ROLES if matrix.answer(role, later.name) is Answer.YES} == {"owner", "admin", "operator"}


def test_an_action_that_destroys_stays_with_owners_whatever_other_tag_it_carries():
    mixed = spec("estate.device.wipe", "R3", "write", "destroy", "operate", "analyse", "audit", "administer", "approve")
    matrix = roles_matrix(load_policies([KERNEL_POLICIES], actions=[mixed]), [mixed])
    assert {role for role in ROLES if matrix.answer(role, mixed.name) is not Answer.NO} == {"owner"}


def test_nobody_consents_to_what_they_asked_for_themselves():
    store = load_policies([KERNEL_POLICIES], actions=[spec("change.request.vote", "R1", "write", "approve")])
    own = Resource("request", "1", "here", created_by="user:pat")
    other = Resource("request", "1", "here", created_by="key:pat")
    assert not decide(store, ask("owner", "change.request.vote", resource=own)).allowed
    assert decide(store, ask("owner", "change.request.vote", resource=other)).allowed


def test_an_agent_neither_consents_nor_destroys_but_otherwise_acts_by_its_roles():
    store = with_examples(STORE)
    agent = Principal(PrincipalKind.API_KEY, "assistant", "here", frozenset({"owner"}), is_agent=True)
    allowed = {name for name in BY_TAG.rows if decide(store, ask("owner", name, principal=agent)).allowed}
    assert set(BY_TAG.rows) - allowed == {"tag.approve", "tag.destroy"}


def test_the_reference_page_says_what_the_policies_say():
    page = (Path(__file__).parents[3] / "docs/reference/roles.md").read_text(encoding="utf-8")
    assert render_matrix(BY_TAG) in page
    assert render_policies(STORE) in page
    assert render_tags() in page


def test_a_matrix_calls_conditional_what_depends_on_the_resource(tmp_path):
    (tmp_path / "schema.cedarschema").write_bytes((KERNEL_POLICIES / "schema.cedarschema").read_bytes())
    (tmp_path / "own.cedar").write_text(
        '@id("own")\n@reason("own")\npermit (principal in Role::"viewer", action, resource)'
        " when { resource has owner && resource.owner == principal.ref };"
    )
    matrix = roles_matrix(load_policies([tmp_path], actions=ACTIONS), ACTIONS)
    assert matrix.answer("viewer", "evidence.fact.read") is Answer.CONDITIONAL
    assert matrix.answer("admin", "evidence.fact.read") is Answer.NO


def test_a_matrix_answers_no_for_an_action_that_is_not_registered():
    unknown = spec("estate.ring.promote", "R3", "write", "operate")
    assert set(roles_matrix(STORE, [unknown]).rows[unknown.name]) == {Answer.NO}


def test_the_risk_of_a_request_raises_the_risk_of_the_action_and_never_lowers_it(tmp_path):
    (tmp_path / "schema.cedarschema").write_bytes((KERNEL_POLICIES / "schema.cedarschema").read_bytes())
    (tmp_path / "risk.cedar").write_text(
        '@id("p")\n@reason("p")\npermit (principal, action, resource);\n'
        '@id("f")\n@reason("f")\nforbid (principal, action, resource) when { context.risk == "R2" };'
    )
    store = load_policies([tmp_path], actions=ACTIONS)
    assert decide(store, ask("viewer", "evidence.fact.read")).allowed
    assert not decide(store, ask("viewer", "evidence.fact.read", risk=Risk.R2)).allowed
    assert not decide(store, ask("viewer", "evidence.key.rotate", risk=Risk.R1)).allowed
