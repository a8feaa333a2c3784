"""Fixtures of the doors."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def settings_of() -> Any:
    """Let the doors stand otherwise while a block runs."""
    from contextlib import contextmanager
    from dataclasses import replace

    from django.conf import settings

    @contextmanager
    def changed(**more: Any) -> Iterator[None]:
        before = settings.TRUEUP_DOORS
        settings.TRUEUP_DOORS = replace(before, **more)
        yield
        settings.TRUEUP_DOORS = before

    return changed
