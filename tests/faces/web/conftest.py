"""Fixtures of the doors."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.doors import Doors


@pytest.fixture
def doors(session: Any) -> Iterator[Doors]:
    """The doors of this test's home."""
    from trueup.kernel import tenancy

    reach = tenancy.current()
    yield Doors(session)
    tenancy._set(reach)


@pytest.fixture
def rf_request() -> Any:
    """Make a request that nobody sent."""
    from django.test import RequestFactory

    return lambda **meta: RequestFactory().get("/", **meta)
