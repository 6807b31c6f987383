"""Charts: every payment is in a bar and in the table, bars fit below the top, and small ones are seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pages import charts
from shared.contracts.operator import SeriesPoint, SeriesView

FIRST = datetime(2026, 1, 31, 0, tzinfo=UTC)
LAST = FIRST + timedelta(hours=23)


def view(*points: tuple[int, str, str, int]) -> SeriesView:
    """(hour, method, status, count)"""
    told = (SeriesPoint(at=FIRST + timedelta(hours=hour), method=method, status=status, count=n) for hour, method, status, n in points)
    return SeriesView(first=FIRST, last=LAST, points=tuple(told))


def test_payments_by_what_became_of_them_stand_on_each_other() -> None:
    of_two = view((2, "mock", "completed", 3), (2, "stripe", "completed", 2), (2, "mock", "expired", 4), (2, "mock", "failed", 1))
    chart = charts.by_status(of_two.model_copy(update={"points": of_two.points + view((5, "mock", "disputed", 1)).points}), "hour")
    assert chart.series == (("completed", 5), ("returned", 1), ("unpaid", 5))
    assert (chart.top, chart.width, len(chart.columns), chart.total) == (10, 240, 24, 11)
    column = chart.columns[2]
    assert (column.at, column.x, column.total, column.counts) == (FIRST + timedelta(hours=2), 21.25, 10, (5, 0, 5))
    assert [(s.series, s.count, s.y, s.height) for s in column.segments] == [("completed", 5, 50, 50), ("unpaid", 5, 0, 50)]
    assert chart.columns[0].segments == ()
    assert chart.busiest is column


def test_each_method_keeps_its_place_and_one_that_is_new_comes_last() -> None:
    chart = charts.by_method(
        view((0, "pigeon", "completed", 1), (0, "mock", "failed", 1), (1, "stripe", "pending", 1)), "hour", ("stripe", "mock")
    )
    assert chart.series == (("stripe", 1), ("mock", 1), ("pigeon", 1))
    assert [segment.series for segment in chart.columns[0].segments] == ["mock", "pigeon"]


def test_a_day_without_payments_is_a_chart_without_bars() -> None:
    chart = charts.by_status(view(), "hour")
    assert (chart.series, chart.total, chart.top, len(chart.columns)) == ((), 0, 4, 24)


def test_one_of_a_thousand_is_still_seen() -> None:
    chart = charts.by_status(view((0, "mock", "completed", 1), (1, "mock", "completed", 1000)), "hour")
    assert chart.columns[0].segments[0].height == 1.5


@pytest.mark.parametrize(("most", "top"), [(0, 4), (4, 4), (5, 10), (11, 20), (21, 40), (40, 40), (41, 100), (101, 200), (4_001, 10_000)])
def test_the_top_is_a_round_number_whose_half_is_whole(most: int, top: int) -> None:
    assert charts.round_top(most) == top
    assert top % 2 == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 23),
            st.sampled_from(["mock", "stripe", "new"]),
            st.sampled_from(["completed", "failed", "who knows"]),
            st.integers(1, 10**6),
        ),
        max_size=60,
    )
)
def test_every_payment_is_in_a_bar_and_in_the_table_of_both_charts(points: list[tuple[int, str, str, int]]) -> None:
    whole = sum(count for _, _, _, count in points)
    for chart in (charts.by_status(view(*points), "hour"), charts.by_method(view(*points), "hour", ("mock", "stripe"))):
        assert chart.total == whole
        assert sum(column.total for column in chart.columns) == whole
        for column in chart.columns:
            assert sum(column.counts) == column.total <= chart.top
            assert sum(segment.count for segment in column.segments) == column.total
            lowest = charts.HEIGHT
            for segment in column.segments:
                assert segment.y + segment.height == pytest.approx(lowest, abs=0.02)
                lowest = segment.y  # type: ignore[assignment]
            assert lowest >= -1.5 * len(column.segments), "what is made larger to be seen leaves the drawing by no more than that"
