"""The problem shape: one status for each kind of error."""

import pytest

from trueup.kernel import errors
from trueup.kernel.actions import errors as actions
from trueup.kernel.http import problem
from trueup.kernel.http.middleware import known


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (problem.Unauthenticated("x"), 401),
        (problem.TooMany(0.2), 429),
        (problem.MethodNotAllowed("x"), 405),
        (problem.TooLarge("x"), 413),
        (problem.InvalidInput("x"), 422),
        (errors.UsageError("x"), 400),
        (errors.UsageError("x", details={"fields": []}), 422),
        (errors.UnreadableInput("x"), 400),
        (errors.Refused("x"), 403),
        (actions.PolicyRefused("x"), 403),
        (actions.SeparationOfDuties("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (actions.InProgress("x"), 409),
        (actions.IdempotencyConflict("x"), 409),
        (actions.AttemptFailed("x"), 409),
        (actions.Held("x"), 202),
        (errors.StorageFull("x"), 507),
        (errors.ConfigurationError("x"), 503),
        (errors.Damaged("x"), 500),
        (errors.TrueupError("x"), 500),
    ],
)
def test_every_kind_of_error_has_its_status(error, status):
    assert problem.status(error) == status


def test_the_shape_holds_code_words_particulars_and_request_id():
    error = errors.NotFound("gone", remedy="look elsewhere", details={"a": 1})
    assert problem.document(error, "r") == {
        "error": {"code": "NOT_FOUND", "message": "gone", "details": {"a": 1}, "remedy": "look elsewhere", "request_id": "r"}
    }


@pytest.mark.parametrize(("wait", "seconds"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.01, 2), (7.5, 8)])
def test_who_asks_too_fast_is_told_a_whole_number_of_seconds(wait, seconds):
    assert problem.TooMany(wait).details == {"retry_after_seconds": seconds}


@pytest.mark.parametrize("given", ["abcdefgh", "A-1._x-9999", "a" * 64])
def test_a_well_formed_request_id_is_kept(given):
    assert problem.chosen_request_id({"X-Request-Id": given}) == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, "a b c d e f", "x\n{}:admin", "-abcdefgh", "äbcdefghi"])
def test_another_request_id_is_replaced_by_a_new_one(given):
    assert len(problem.chosen_request_id({"X-Request-Id": given})) == 32


def test_an_unexpected_error_says_nothing_of_its_cause():
    found = known(RuntimeError("password=hunter2"))
    assert (found.code, "hunter2" in str(found.as_dict())) == ("INTERNAL", False)
