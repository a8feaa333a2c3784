"""Every action × every role over HTTP is as the generated matrix says; what is refused says why and is in the log."""

import pytest

from tests.support.doors import ROLES


def entries(doors):
    from trueup.kernel.evidence import queries

    return queries.entries(doors.session.tenant, limit=100_000)


@pytest.mark.requirement("kernel:api.matrix", "automation:W15")
def test_every_cell_of_the_matrix_is_as_the_policies_say(doors):
    from trueup.kernel.actions.registry import registered
    from trueup.kernel.policy.engine.matrix import Answer, roles_matrix

    policies = doors.session.ports.policies
    matrix = roles_matrix(policies, policies.actions.values())
    assert set(matrix.roles) == set(ROLES)
    people = {role: doors.browser(doors.people.add(f"{role}@example.org", role)) for role in ROLES}
    own = [action for action in registered() if action.name in matrix.rows and not action.name.startswith("testing.")]
    assert len(own) >= 40
    wrong, refused = [], []
    for role, client in people.items():
        for action in own:
            # No JSON at all: whoever may not call must be told so before the body is looked at.
            answer = doors.post(f"/api/v1/{action.name.replace('.', '/')}", "no json", client=client)
            may = matrix.answer(role, action.name) is not Answer.NO and not action.local
            if answer.status != (400 if may else 403):
                wrong.append((role, action.name, answer.status, str(matrix.answer(role, action.name))))
            if answer.status == 403:
                refused.append(action.name)
                details = answer.json["error"]["details"]
                assert answer.code == "POLICY_REFUSED"
                assert details["action"] == action.name
                assert details["reasons"]
                assert details["policies"] == sorted(details["policies"])
    assert wrong == []
    noted = [entry for entry in entries(doors) if entry["outcome"] == "refused"]
    assert sorted(entry["action"] for entry in noted) == sorted(refused)
    assert all(entry["error"] == "POLICY_REFUSED" for entry in noted)


@pytest.mark.requirement("kernel:api.matrix")
def test_a_viewers_key_is_refused_every_action_that_is_not_granted_to_viewers(doors):
    from trueup.kernel.policy.engine.matrix import Answer, roles_matrix

    policies = doors.session.ports.policies
    matrix = roles_matrix(policies, policies.actions.values())
    viewer = doors.key("viewer")
    no = [name for name in matrix.rows if matrix.answer("viewer", name) is Answer.NO and not name.startswith("testing.")]
    assert len(no) > 30
    before = len(entries(doors))
    assert {doors.post(f"/api/v1/{name.replace('.', '/')}", {}, key=viewer).status for name in no} == {403}
    assert len(entries(doors)) == before + len(no)


def test_every_registered_action_has_its_endpoint(doors):
    from trueup.kernel.actions.registry import registered

    paths = doors.get("/api/openapi.json").json["paths"]
    for action in registered():
        if not action.name.startswith("testing."):
            assert paths[f"/api/v1/{action.name.replace('.', '/')}"]["post"]["operationId"] == action.name


def test_the_matrix_that_the_api_tells_is_the_policies_own(doors):
    told = doors.get("/api/v1/policy/matrix", key=doors.key("viewer")).json
    assert told["actions"]["evidence.artifact.erase"] == dict.fromkeys(ROLES, "no") | {"owner": "yes"}
    assert "evidence.key.backup" in told["from_the_shell_alone"]
    assert told["digest"] == doors.session.ports.policies.digest
