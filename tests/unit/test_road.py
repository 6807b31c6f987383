"""A timeline drawn as a road: where each step happens, where it comes from, and whether the way leads on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.gateway.answers.history import STEPS
from services.gateway.hypertext.formats import Formats
from services.gateway.pages.payment.road import GATEWAY, LEDGER, NOTIFIER, PAYMENTS, PROVIDER, STATIONS, Fact, drawn
from shared.contracts.history import TimelineStep

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def step(name: str, milliseconds: int = 0, service: str = "payments", **detail: Any) -> TimelineStep:
    return TimelineStep(
        at=NOON + timedelta(milliseconds=milliseconds), step=name, service=service, ids={"request_id": "r-1"}, detail=detail
    )


ROAD = (
    step("payment.requested", 0, method="mock", amount_minor=5_000, currency="rsd"),
    step("session.opened", 11),
    step("provider_event.received", 2_043, "gateway", provider="mock", body="{}"),
    step("provider_event.stored", 2_050),
    step("payment.completed", 2_050),
    step("message.written", 2_050, type="payment.completed.v1"),
    step("message.sent", 2_060, type="payment.completed.v1"),
    step("ledger.transfer", 2_071, "wallet", amount_minor=5_000, currency="rsd", source="clearing:mock", target="user:1"),
    step("ledger.transfer", 2_071, "wallet", amount_minor=100, currency="rsd", source="clearing:mock", target="fees:platform"),
    step("ledger.entry", 2_071, "wallet", change_minor=5_000, held_change_minor=0, available_after_minor=7_000, currency="rsd"),
    step("message.sent", 2_080, "wallet", type="balance.changed.v1"),
)


def test_the_road_of_a_payment_leads_from_the_request_to_open_pages() -> None:
    stops = drawn(ROAD)
    assert [(stop.origin, stop.station) for stop in stops] == [
        (GATEWAY, PAYMENTS), (PAYMENTS, PROVIDER), (PROVIDER, GATEWAY), (GATEWAY, PAYMENTS), (PAYMENTS, PAYMENTS), (PAYMENTS, PAYMENTS),
        (PAYMENTS, LEDGER), (LEDGER, LEDGER), (LEDGER, LEDGER), (LEDGER, LEDGER), (LEDGER, NOTIFIER),
    ]  # fmt: skip


def test_the_way_is_one_line_from_beginning_to_end() -> None:
    stops = drawn(ROAD)
    assert [stop.joined for stop in stops] == [False] + [True] * (len(stops) - 1)
    assert [stop.after_ms for stop in stops] == [None, 11, 2_032, 7, 0, 0, 10, 11, 0, 0, 9]


def test_what_is_asked_for_later_is_a_way_of_its_own() -> None:
    asked = drawn([*ROAD, step("refund.requested", 9_000, origin="request")])[-1]
    (at_the_provider,) = drawn([step("refund.requested", origin="provider")])
    assert (asked.origin, asked.station, asked.joined) == (GATEWAY, PAYMENTS, False)
    assert (at_the_provider.origin, at_the_provider.station) == (PROVIDER, PAYMENTS)


def test_what_a_step_tells_is_in_money_and_words_and_the_rest_stays_for_whoever_looks_for_it() -> None:
    stops = drawn(ROAD)
    assert stops[0].facts == (Fact("Amount", 5_000, "rsd"), Fact("Method", "mock", named=True))
    entry = stops[9]
    assert entry.facts == (Fact("Change", 5_000, "rsd", signed=True), Fact("Balance after", 7_000, "rsd"))
    assert entry.more["held_change_minor"] == "0"
    event = stops[2]
    assert (event.raw, event.more, event.ids) == ({"body": "{}"}, {"provider": "mock"}, {"request_id": "r-1"})


@pytest.mark.parametrize("name", [*STEPS, "audit.refund.request", "something.new"])
def test_every_step_has_a_station_and_a_name(name: str) -> None:
    (stop,) = drawn([step(name)])
    assert stop.station in STATIONS
    assert stop.title
    low, high = stop.columns
    assert low <= high
    assert (stop.title == "something new") is (name == "something.new"), "all that the API names has words"


def test_an_empty_road_and_clocks_that_differ_are_no_trouble() -> None:
    assert drawn([]) == []
    early = [step("payment.requested", 5), step("session.opened", 0)]
    assert drawn(early)[1].after_ms == 0


@pytest.mark.parametrize(
    ("milliseconds", "english", "russian"),
    [
        (0, "0 ms", "0 мс"),
        (999, "999 ms", "999 мс"),
        (1_250, "1.2 sec", "1,2 с"),
        (60_000, "1 min", "1 мин"),
        (7_200_000, "2 hr", "2 ч"),
        (86_400_000, "1 day", "1 дн."),
    ],
)
def test_spans_of_time_are_told_in_the_largest_unit_that_they_fill(milliseconds: int, english: str, russian: str) -> None:
    assert (Formats("en").span(milliseconds), Formats("ru").span(milliseconds)) == (english, russian)


def test_a_clock_tells_milliseconds_and_its_moment_to_a_script() -> None:
    moment = NOON + timedelta(microseconds=41_576)
    assert Formats("sr").clock(moment) == '<time datetime="2026-01-31T12:00:00.041Z" data-clock>12:00:00.041 UTC</time>'
