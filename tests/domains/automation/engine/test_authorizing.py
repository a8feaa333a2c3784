"""What can be authorized at all: load has hard ceilings, each of them named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest

from trueup.domains.automation.engine.authorizing import CEILINGS, Wanted, objection
from trueup.domains.automation.engine.tiers import Strategy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOAD = Wanted(
    *("example.org", frozenset({443}), "dns_txt"),
    own=True,
    inside=False,
    strategies=frozenset({Strategy.VANILLA, Strategy.ASSAULT}),
    expires=NOW + timedelta(hours=2),
    opens=NOW,
    closes=NOW + timedelta(hours=1),
    max_rps=50.0,
    max_concurrent=10,
    max_requests=1_000,
)


def test_load_with_every_ceiling_can_be_authorized():
    assert objection(LOAD, NOW) == ""


@pytest.mark.requirement("automation:AR-19")
@pytest.mark.parametrize("left_out", [some for count in (1, 2, 3) for some in combinations(CEILINGS, count)])
def test_load_without_a_ceiling_is_refused_with_the_names_of_those_that_are_missing(left_out):
    said = objection(replace(LOAD, **dict.fromkeys(left_out)), NOW)
    assert "ceilings" in said
    assert [name for name in CEILINGS if name in said] == list(left_out)


@pytest.mark.parametrize("tier", [tier for tier in Strategy if tier is not Strategy.ASSAULT])
def test_other_tiers_need_no_ceilings(tier):
    assert objection(replace(LOAD, strategies=frozenset({tier}), **dict.fromkeys(CEILINGS)), NOW) == ""
