"""Pages by keyset: every row once, in order, both ways, whatever comes and goes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from trueup.kernel.errors import UsageError
from trueup.kernel.http.paging import Asked, asked, page, scope_of

ORDERS = [("-entry", "-index"), ("entry", "index"), ("subject", "predicate", "valid_at", "id"), ("-valid_at", "-id")]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def facts(session):
    """Thirty-seven facts, many of which are alike in every field but their place."""
    from trueup.kernel.evidence.models import Fact

    rows = [
        Fact(
            id=uuid4(), tenant=session.tenant, subject=f"s{n % 3}", predicate="p@1", value="1", unit="1",
            valid_at=MOMENT + timedelta(seconds=n % 5), recorded_at=MOMENT, source="t", supersedes="", entry=n // 4, index=n % 4,
        )
        for n in range(37)
    ]  # fmt: skip
    Fact.objects.bulk_create(rows)
    return lambda: Fact.objects.filter(tenant=session.tenant)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 7, 36, 37, 38])
def test_pages_hold_every_row_once_in_order_and_lead_back_the_same_way(facts, order, limit):
    whole = [row.id for row in facts().order_by(*order)]
    seen, pages, cursor = [], [], ""
    while True:
        found = page(facts(), order, Asked(limit, cursor), scope="s")
        pages.append([row.id for row in found.rows])
        seen += pages[-1]
        if not found.next:
            break
        cursor = found.next
    assert seen == whole
    back = [pages[-1]]
    while found.previous:
        found = page(facts(), order, Asked(limit, found.previous), scope="s")
        back.insert(0, [row.id for row in found.rows])
        assert found.next
    assert [id for rows in back for id in rows] == whole


def test_a_row_that_comes_while_somebody_reads_moves_no_page(facts, session):
    from trueup.kernel.evidence.models import Fact

    first = page(facts(), ORDERS[0], Asked(5), scope="s")
    expected = [row.id for row in facts().order_by(*ORDERS[0])[5:10]]
    Fact.objects.create(
        id=uuid4(), tenant=session.tenant, subject="new", predicate="p@1", value="1", unit="1", valid_at=MOMENT,
        recorded_at=MOMENT, source="t", supersedes="", entry=99, index=0,
    )  # fmt: skip
    assert [row.id for row in page(facts(), ORDERS[0], Asked(5, first.next), scope="s").rows] == expected


def test_an_empty_list_has_one_page_that_leads_nowhere(facts):
    found = page(facts().filter(subject="nothing"), ORDERS[0], Asked(5), scope="s")
    assert (found.rows, found.next, found.previous) == ([], "", "")


def test_a_cursor_of_another_scope_is_refused(facts):
    cursor = page(facts(), ORDERS[0], Asked(5), scope="s").next
    with pytest.raises(UsageError):
        page(facts(), ORDERS[0], Asked(5, cursor), scope="another")


def test_the_scope_tells_lists_tenants_orders_and_filters_apart():
    one, two = UUID(int=1), UUID(int=2)
    scopes = [
        scope_of("facts", one, ("a",)), scope_of("log", one, ("a",)), scope_of("facts", two, ("a",)),
        scope_of("facts", one, ("-a",)), scope_of("facts", one, ("a",), ("x", "")), scope_of("facts", one, ("a",), ("", "x")),
    ]  # fmt: skip
    assert len(set(scopes)) == len(scopes)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1e2", "٣", "999999999"])
def test_a_page_has_from_one_to_two_hundred_rows(limit):
    with pytest.raises(UsageError, match="from 1 to 200"):
        asked(limit, "")


def test_without_a_limit_a_page_has_fifty_rows():
    assert asked(None, None) == Asked(50, "")
