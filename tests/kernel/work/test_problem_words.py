"""What a job says of the error that ended it."""

import pytest

from trueup.kernel.errors import ConfigurationError, NotFound, UsageError
from trueup.kernel.work.outcomes import problem


def test_a_fault_of_the_machine_says_how_it_is_mended():
    assert problem(ConfigurationError("no browser", remedy="install one"))[1] == "no browser; install one"


@pytest.mark.parametrize(
    "error", [ConfigurationError("no browser"), UsageError("no browser", remedy="x"), NotFound("no browser", remedy="x")]
)
def test_every_other_error_says_its_message_alone(error):
    assert problem(error) == (error.code, "no browser")


def test_an_unexpected_error_gives_its_type_alone():
    assert problem(RuntimeError("hunter2"))[1] == "RuntimeError"
