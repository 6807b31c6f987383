"""The balance page's filters: days as the visitor's clock has them, and nothing filtered by that was not understood."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.gateway.pages.balance.history_filter import HistoryFilter, read_filter


def test_a_day_begins_and_ends_where_the_visitor_is() -> None:
    query = {"from": "2026-10-24", "until": "2026-10-25", "zone": "Europe/Belgrade", "currency": "RSD", "kind": "deposit"}
    chosen = read_filter(query)

    # The night in which the clocks went back an hour is within.
    assert chosen.since == datetime(2026, 10, 23, 22, tzinfo=UTC)
    assert chosen.until == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert chosen.for_api == {"currency": "rsd", "kind": "deposit", "since": "2026-10-23T22:00:00Z", "until": "2026-10-25T23:00:00Z"}
    assert chosen.in_query == {**query, "currency": "rsd"}
    assert read_filter(chosen.in_query) == chosen


def test_without_a_zone_days_are_those_of_utc_as_the_times_are() -> None:
    chosen = read_filter({"from": "2026-01-31", "until": "2026-01-31"})
    assert chosen.for_api == {"since": "2026-01-31T00:00:00Z", "until": "2026-02-01T00:00:00Z"}


@pytest.mark.parametrize("day", ["31.01.2026", "2026-02-30", "0000-01-01", "9999-12-31", "20260131", "２０２６-01-01", "x"])
def test_what_is_no_day_is_named_and_not_filtered_by(day: str) -> None:
    chosen = read_filter({"from": day, "until": "2026-01-31"})
    assert (dict(chosen.wrong), chosen.first_day, chosen.last_day is not None) == ({"from": "day"}, None, True)


def test_a_last_day_before_the_first_is_named() -> None:
    chosen = read_filter({"from": "2026-02-01", "until": "2026-01-31"})
    assert (dict(chosen.wrong), chosen.until) == ({"until": "order"}, None)


@pytest.mark.parametrize(
    "zone", ["", "Nowhere/At_All", "../../etc/passwd", "Europe", "/etc/localtime", "Europe/Belgrade\x00", "a" * 99, "Europe/../UTC"]
)
def test_a_zone_that_is_none_is_passed_over(zone: str) -> None:
    assert read_filter({"from": "2026-01-31", "zone": zone}).zone is None


@pytest.mark.parametrize("query", [{"currency": "xyz"}, {"kind": "Deposit!"}, {"currency": " "}, {}])
def test_what_no_form_of_ours_sends_is_passed_over(query: dict[str, str]) -> None:
    chosen = read_filter(query)
    assert chosen == HistoryFilter()
    assert not chosen.is_set
