"""Fixtures of the doors."""

from typing import Any

import pytest


@pytest.fixture
def rf_request() -> Any:
    """Make a request that nobody sent."""
    from django.test import RequestFactory

    return lambda **meta: RequestFactory().get("/", **meta)
