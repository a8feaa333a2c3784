"""The description of the API: whole, true, and enough to call everything by."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

ERRORS = {"400", "401", "403", "404", "409", "413", "422", "429", "500", "503", "507"}


@pytest.fixture
def description(doors):
    return doors.get("/api/openapi.json").json


@pytest.fixture
def api_schema(doors):
    from django.core.handlers.wsgi import WSGIHandler

    return schemathesis.openapi.from_wsgi("/api/openapi.json", WSGIHandler(), headers={"Host": "localhost"})


def operations(description):
    return [(path, method, operation) for path, item in description["paths"].items() for method, operation in item.items()]


def test_every_operation_names_every_error_with_an_example_of_the_problem_shape(description):
    validator = Draft202012Validator(description["components"]["schemas"]["Problem"])
    for _, _, operation in operations(description):
        assert set(operation["responses"]) >= ERRORS
        for code in ERRORS:
            content = operation["responses"][code]["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            validator.validate(content["example"])


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_place(description):
    ids = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(set(ids)) == len(ids) > 50
    assert all(operation["summary"] and operation["tags"] for _, _, operation in operations(description))


def test_every_actions_input_is_described_with_an_example_that_has_its_required_fields(description):
    from trueup.kernel.actions.registry import registered

    for action in registered():
        operation = description["paths"][f"/api/v1/{action.name.replace('.', '/')}"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        Draft202012Validator.check_schema(content["schema"])
        assert "$ref" not in json.dumps(content["schema"])
        assert set(content["schema"].get("properties", {})) == set(action.input.model_fields)
        assert set(content["example"]) == set(content["schema"].get("required", ()))
        assert {"200", "202"} <= set(operation["responses"])


def test_the_description_names_the_credentials(description):
    assert description["security"] == [{"key": []}, {"session": []}]
    assert description["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_every_reading_answers_as_described_whatever_it_is_asked(doors, api_schema):
    headers = {"Host": "localhost", "Authorization": f"Bearer {doors.key('viewer', 'auditor', 'operator')}"}
    asked = []
    for result in api_schema.include(method="GET", path_regex="/automation/(policies|authorizations|breakers|kill|audit|usage)").get_all_operations():
        operation = result.ok()

        @settings(max_examples=60, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None, database=None)
        @given(case=operation.as_strategy())
        def answers_as_described(case):
            case.call_and_validate(headers=headers, checks=CHECKS)

        answers_as_described()
        asked.append(operation.path)
    assert len(asked) >= 8
