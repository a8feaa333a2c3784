"""Decisions: reasons in words, closed on every doubt, the early answer never wider than the final one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_actions import ACTIONS, spec

from trueup.kernel.errors import UsageError
from trueup.kernel.policy.engine.decide import decide, explain, may_call, roles_that_may
from trueup.kernel.policy.engine.model import ROLES, Principal, PrincipalKind, Request, Resource, Risk
from trueup.kernel.policy.engine.store import build
from trueup.kernel.policy.load import KERNEL_POLICIES, load_policies

STORE = load_policies([KERNEL_POLICIES], actions=ACTIONS)
SCHEMA = {"s": (KERNEL_POLICIES / "schema.cedarschema").read_bytes()}
NOW = datetime(2026, 3, 1, tzinfo=UTC)
VIEWER = Principal(PrincipalKind.USER, "vera", "here", frozenset({"viewer"}))
FACT = Resource("fact", "1", "here")


def store_of(text: str):
    store, problems = build(SCHEMA, {"p.cedar": text.encode()}, actions=ACTIONS)
    assert problems == []
    return store


def permit(id: str, head: str = "principal, action, resource", body: str = "") -> str:
    return f'@id("{id}")\n@reason("{id} applies")\npermit ({head}) {body};\n'


def forbid(id: str, head: str = "principal, action, resource", body: str = "") -> str:
    return permit(id, head, body).replace("permit (", "forbid (")


def request(**changes: object) -> Request:
    return replace(Request(VIEWER, "evidence.fact.read", FACT, NOW), **changes)


def test_a_permission_names_its_policy_and_says_why():
    decision = decide(STORE, request())
    assert (decision.allowed, decision.policy_ids, decision.reasons) == (True, ("viewer-reads",), ("viewers read",))


def test_a_refusal_by_guard_names_the_guard_and_not_the_permits():
    decision = decide(STORE, request(resource=Resource("fact", "1", "elsewhere")))
    assert (decision.allowed, decision.policy_ids) == (False, ("tenants-apart",))
    assert decision.reasons == ("nobody reaches from one tenant into another",)


def test_a_refusal_for_want_of_a_permit_says_which_roles_may():
    decision = decide(STORE, request(action="evidence.log.export"))
    assert not decision.allowed
    assert decision.reasons == ("no policy permits evidence.log.export to a viewer; roles that may: owner, admin, auditor",)


def test_a_refusal_of_two_roles_names_both_with_their_articles():
    both = replace(VIEWER, roles=frozenset({"viewer", "analyst"}))
    assert "to an analyst and a viewer;" in decide(STORE, request(principal=both, action="evidence.log.export")).reasons[0]


def test_a_refusal_without_any_role_says_so():
    nobody = replace(VIEWER, roles=frozenset())
    assert "without a role in this tenant" in decide(STORE, request(principal=nobody)).reasons[0]


def test_a_refusal_says_when_a_condition_and_not_the_role_is_missing():
    store = store_of(permit("own", body="when { resource has owner && resource.owner == principal.ref }"))
    assert decide(store, request(resource=replace(FACT, owner="user:vera"))).allowed
    refused = decide(store, request())
    assert not refused.allowed
    assert "a condition of the policies for that role does not hold" in refused.reasons[0]


def test_a_refusal_says_when_no_role_may():
    store = store_of(permit("reads", 'principal, action in Action::"tag:read", resource'))
    assert decide(store, request(action="evidence.log.export")).reasons[0].endswith("roles that may: none")


def test_an_action_that_is_not_registered_is_refused():
    decision = decide(STORE, request(action="evidence.fact.forge"))
    assert (decision.allowed, decision.reasons) == (False, ("no action named evidence.fact.forge is registered",))
    assert roles_that_may(STORE, "evidence.fact.forge") == ()


def test_a_group_or_a_placeholder_of_the_schema_is_not_an_action():
    owner = replace(VIEWER, roles=frozenset({"owner"}))
    assert not decide(STORE, request(principal=owner, action="tag:read")).allowed
    assert not decide(STORE, request(principal=owner, action="member of tag:read")).allowed


def test_a_forbid_that_cannot_be_evaluated_refuses_although_a_permit_applies():
    overflow = f"when {{ {2**62} * 4 > 0 }}"
    store = store_of(permit("all") + forbid("broken", body=overflow))
    decision = decide(store, request())
    assert not decision.allowed
    assert "broken" in decision.errors[0]
    assert decide(store_of(permit("all")), request()).allowed


def test_a_permit_that_cannot_be_evaluated_refuses_although_another_applies():
    store = store_of(permit("all") + permit("broken", body=f"when {{ {2**62} * 4 > 0 }}"))
    assert not decide(store, request()).allowed


def test_what_the_engine_cannot_read_is_refused():
    odd = replace(VIEWER, id="half \ud800 pair")
    decision = decide(STORE, request(principal=odd))
    assert not decision.allowed
    assert decision.errors


def test_a_time_that_the_engine_cannot_read_is_refused():
    store = store_of(permit("all", body='when { context.time < datetime("2027-01-01") }'))
    assert decide(store, request()).allowed
    assert not decide(store, request(now=datetime(1, 1, 1, tzinfo=UTC))).allowed


def test_time_is_compared_in_utc():
    store = store_of(permit("until", body='when { context.time < datetime("2026-03-01T00:00:00Z") }'))
    east = timezone(timedelta(hours=3))
    assert decide(store, request(now=datetime(2026, 3, 1, 2, 59, tzinfo=east))).allowed
    assert not decide(store, request(now=datetime(2026, 3, 1, 3, 0, tzinfo=east))).allowed


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("principal is User", PrincipalKind.USER),
        ("principal is ApiKey", PrincipalKind.API_KEY),
        ("principal is OsUser", PrincipalKind.OS_USER),
    ],
)
def test_policies_tell_the_kinds_of_principal_apart(head, kind):
    store = store_of(permit("kind", f"{head}, action, resource"))
    assert [k for k in PrincipalKind if decide(store, request(principal=replace(VIEWER, kind=k))).allowed] == [kind]


def test_policies_see_the_second_factor():
    store = store_of(permit("mfa", body="when { context.mfa }"))
    assert not decide(store, request()).allowed
    assert decide(store, request(principal=replace(VIEWER, mfa=True))).allowed


def test_a_role_that_no_policy_knows_gives_nothing():
    assert not decide(STORE, request(principal=replace(VIEWER, roles=frozenset({"vieweer"})))).allowed


def test_the_early_answer_refuses_what_no_resource_could_mend():
    assert may_call(STORE, VIEWER, "evidence.artifact.erase").policy_ids == ("owners-alone-destroy",)
    assert "roles that may: owner, admin, auditor" in may_call(STORE, VIEWER, "evidence.log.export").reasons[0]
    assert may_call(STORE, VIEWER, "evidence.fact.read").allowed
    assert not may_call(STORE, VIEWER, "evidence.fact.forge").allowed


def test_the_early_answer_leaves_resource_and_context_to_the_final_one():
    text = permit("pack", body='when { resource.kind == "pack" && context.mfa }') + forbid(
        "never", body="when { context.is_agent }"
    )
    store = store_of(text + forbid("one", 'principal, action, resource == Resource::"fact:1"'))
    assert may_call(store, VIEWER, "evidence.fact.read").allowed
    assert not decide(store, request()).allowed


def test_the_early_answer_holds_an_unconditional_forbid():
    store = store_of(permit("all") + forbid("no", 'principal in Role::"viewer", action, resource'))
    assert may_call(store, VIEWER, "evidence.fact.read").policy_ids == ("no",)


PARTS = st.lists(
    st.tuples(
        st.sampled_from([permit, forbid]),
        st.sampled_from(["principal", 'principal in Role::"viewer"', 'principal in Role::"admin"', "principal is User"]),
        st.sampled_from(
            [
                "action",
                'action in Action::"tag:read"',
                'action == Action::"evidence.fact.read"',
                'action in Action::"room:evidence"',
            ]
        ),
        st.sampled_from(["resource", 'resource == Resource::"fact:1"']),
        st.sampled_from(
            [
                "",
                'when { resource.kind == "fact" }',
                "unless { context.is_agent }",
                'when { principal in Role::"viewer" }',
                'unless { action in Action::"tag:audit" }',
                'when { principal.ref == "user:vera" && context.mfa }',
                'when { principal.ref == "user:vera" } unless { resource has created_by }',
            ]
        ),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150)
@given(
    PARTS,
    st.frozensets(st.sampled_from(ROLES), max_size=3),
    st.sampled_from(["evidence.fact.read", "evidence.log.export", "telemetry.host.sample"]),
    st.sampled_from([FACT, Resource("pack", "2", "here", created_by="user:vera")]),
    st.booleans(),
)
def test_the_early_answer_never_refuses_what_the_final_one_permits(parts, roles, action, resource, agent):
    text = "".join(make(f"p{i}", f"{who}, {do}, {what}", body) for i, (make, who, do, what, body) in enumerate(parts))
    store = store_of(text)
    who = replace(VIEWER, roles=roles, is_agent=agent, mfa=not agent)
    asked = request(principal=who, action=action, resource=resource)
    assert may_call(store, who, action).allowed or not decide(store, asked).allowed


@settings(max_examples=60)
@given(PARTS, st.frozensets(st.sampled_from(ROLES), max_size=3), st.booleans())
def test_decisions_are_those_of_the_text_given_to_the_engine_as_it_stands(parts, roles, agent):
    text = "".join(make(f"p{i}", f"{who}, {do}, {what}", body) for i, (make, who, do, what, body) in enumerate(parts))
    entities = [
        {
            "uid": {"type": "User", "id": "vera"},
            "attrs": {"tenant": {"__entity": {"type": "Tenant", "id": "here"}}, "ref": "user:vera"},
            "parents": [{"type": "Role", "id": role} for role in roles],
        },
        {
            "uid": {"type": "Resource", "id": "fact:1"},
            "attrs": {"tenant": {"__entity": {"type": "Tenant", "id": "here"}}, "kind": "fact"},
            "parents": [],
        },
        {
            "uid": {"type": "Action", "id": "evidence.fact.read"},
            "attrs": {},
            "parents": [{"type": "Action", "id": group} for group in ("tag:read", "risk:R1", "kind:read", "room:evidence")],
        },
    ]
    direct = cedarpy.is_authorized(
        {
            "principal": 'User::"vera"',
            "action": 'Action::"evidence.fact.read"',
            "resource": 'Resource::"fact:1"',
            "context": {"risk": "R1", "is_agent": agent, "mfa": False},
        },
        text,
        entities,
    )
    ours = decide(store_of(text), request(principal=replace(VIEWER, roles=roles, is_agent=agent)))
    assert ours.allowed == direct.allowed
    assert set(ours.policy_ids) == set(direct.diagnostics.id_annotations_by_reason.values())


def test_an_explanation_holds_the_policies_as_they_stand_in_their_files():
    answer = explain(STORE, request(resource=Resource("fact", "1", "elsewhere")))
    (policy,) = answer.deciding
    assert (policy.id, policy.effect, policy.file) == ("tenants-apart", "forbid", "policy/policies/guards.cedar")
    assert (policy.text[:3], policy.text[-1]) == ("@id", ";")
    lines = (KERNEL_POLICIES / "guards.cedar").read_text().splitlines()
    assert lines[policy.line - 1] == '@id("tenants-apart")'
    assert answer.groups == ("kind:read", "risk:R1", "room:evidence", "tag:read")
    assert answer.roles_that_may == ROLES
    assert answer.digest == STORE.digest


def test_an_explanation_of_an_unknown_action_has_no_groups():
    answer = explain(STORE, request(action="no.such"))
    assert (answer.groups, answer.deciding, answer.roles_that_may) == ((), (), ())


@pytest.mark.parametrize(
    "make", [lambda: replace(VIEWER, tenant=""), lambda: replace(VIEWER, id=""), lambda: replace(FACT, tenant="")]
)
def test_a_principal_or_resource_without_a_tenant_or_id_cannot_be_made(make):
    with pytest.raises(UsageError):
        make()


def test_a_request_without_a_time_zone_cannot_be_made():
    with pytest.raises(UsageError, match="no zone"):
        request(now=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_risks_are_ordered():
    assert max(Risk.R1, Risk.R3, Risk.R2) is Risk.R3


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (spec("Evidence.x", "R1", "write", "audit"), "not dotted"),
        (spec('x.y"; action z', "R1", "write", "audit"), "not dotted"),
        (spec("x.y", "R1", "write", "audit", "fly"), "unknown tag fly"),
        (spec("x.y", "R1", "write"), "no tag"),
        (spec("x.y", "R1", "sideways", "audit"), "kind 'sideways'"),
        (spec("x.y", "R1", "write", "read"), "tagged read"),
        (spec("x.y", "R1", "write", "destroy"), "tagged destroy"),
        (replace(spec("x.y", "R1", "write", "audit"), risk="R9"), "risk 'R9'"),
        (replace(spec("x.y", "R1", "write", "audit"), room="x y"), "room 'x y'"),
    ],
)
def test_an_unsound_registration_says_what_is_wrong(bad, words):
    assert words in bad.problem()


def test_a_sound_registration_has_no_problem():
    assert [action.problem() for action in ACTIONS] == [""] * len(ACTIONS)
