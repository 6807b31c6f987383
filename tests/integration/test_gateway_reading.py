"""Balances and transactions as the wallet tells them, and the gateway's faces for machines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from shared.contracts.base import new_id
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import (
    BalancesView,
    GetBalances,
    GetNotifierHealth,
    GetWalletHealth,
    ListTransactions,
    TransactionPage,
    TransactionView,
)
from tests.integration.gateway_world import World, balance_view, gateway_world, one_story, refused, silent


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


PAYMENT_ID = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")


def item(version: int, **facts: Any) -> TransactionView:
    usual: dict[str, Any] = {
        "id": new_id(),
        "kind": "deposit",
        "amount_minor": -150,
        "currency": "rsd",
        "balance_after_minor": 900_719_925_474_099,
        "version": version,
        "payment_id": PAYMENT_ID,
        "description": "Top-up",
        "created_at": datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC),
    }
    return TransactionView(**{**usual, **facts})


async def test_a_balance_that_never_moved_is_zeros(world: World) -> None:
    default = await world.get("/api/v1/balance")
    yen = await world.get("/api/v1/balance", currency="JPY")
    none = await world.get("/api/v1/balances")

    assert default.text == (
        '{"user_id":"1","currency":"rsd","available":0.00,"available_minor":0,"held":0.00,"held_minor":0,"version":0,"updated_at":null}'
    )
    assert (yen.json()["currency"], '"available":0,' in yen.text) == ("jpy", True)
    assert none.json() == {"balances": []}


async def test_a_balance_is_asked_as_it_was_at_a_time(world: World) -> None:
    asked: list[datetime | None] = []

    async def known(query: GetBalances) -> BalancesView:
        asked.append(query.at)
        return BalancesView(balances=(balance_view("rsd", 5),))

    world.stand_ins.answers[GetBalances] = known
    answer = await world.get("/api/v1/balance", at="2026-01-31T14:00:00.5+02:00")
    assert (answer.status_code, answer.json()["available_minor"]) == (200, 5)
    await world.get("/api/v1/balance")
    assert asked == [datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC), None]

    for no_time in ("", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "1769860800", "2026-02-30T12:00:00Z"):
        problem = await world.get("/api/v1/balance", at=no_time)
        assert (problem.status_code, problem.json()["errors"][0]["loc"]) == (422, ["query", "at"]), no_time
    assert len(asked) == 2


async def test_balances_are_exact(world: World) -> None:
    async def known(query: GetBalances) -> BalancesView:
        views = [balance_view("rsd", 900_719_925_474_099_1), balance_view("kwd", 5_001)]
        return BalancesView(balances=tuple(view for view in views if query.currency in (None, view.currency)))

    world.stand_ins.answers[GetBalances] = known
    one = json.loads((await world.get("/api/v1/balance")).content, parse_float=Decimal)
    all_of_them = json.loads((await world.get("/api/v1/balances")).content, parse_float=Decimal)["balances"]

    assert (one["available"], one["available_minor"], one["version"]) == (Decimal("90071992547409.91"), 9_007_199_254_740_991, 3)
    assert one["updated_at"].endswith("Z")
    assert [(b["currency"], b["available"]) for b in all_of_them] == [("kwd", Decimal("5.001")), ("rsd", Decimal("90071992547409.91"))]


async def test_transactions_hand_the_filters_on(world: World) -> None:
    async def page(query: ListTransactions) -> TransactionPage:
        return TransactionPage(items=(item(7),), next_cursor="next")

    world.stand_ins.answers[ListTransactions] = page
    response = await world.get(
        "/api/v1/balance/transactions",
        limit=5, cursor="abc", currency="RSD", kind="deposit", since="2026-01-01T00:00:00Z", until="2026-02-01T01:00:00+01:00",
    )  # fmt: skip
    (asked,) = world.stand_ins.asked_of(ListTransactions)
    body = json.loads(response.content, parse_float=Decimal)

    assert response.status_code == 200
    assert body["next_cursor"] == "next"
    assert list(body["items"][0]) == [
        "id", "kind", "amount", "amount_minor", "currency", "balance_after", "balance_after_minor", "version", "payment_id", "description",
        "created_at",
    ]  # fmt: skip
    assert (body["items"][0]["amount"], body["items"][0]["created_at"]) == (Decimal("-1.50"), "2026-01-31T12:00:00.000005Z")
    assert (asked.limit, asked.cursor, asked.currency, asked.kind, asked.skip) == (5, "abc", "rsd", "deposit", 0)
    assert asked.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert asked.until == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"skip": -1}, "skip"),
        ({"skip": 1, "cursor": "a"}, "skip"),
        ({"currency": "zzz"}, "currency"),
        ({"kind": "DROP TABLE"}, "kind"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"until": "1767225600"}, "until"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "x" * 3000}, "cursor"),
    ],
)
async def test_a_malformed_query_is_422_and_names_the_parameter(world: World, query: dict[str, Any], named: str) -> None:
    response = await world.get("/api/v1/balance/transactions", **query)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", named]), response.text


async def test_a_cursor_that_the_wallet_does_not_know_is_422(world: World) -> None:
    async def refuse(query: ListTransactions) -> Refused:
        return refused("invalid_cursor", query)

    world.stand_ins.answers[ListTransactions] = refuse
    response = await world.get("/api/v1/balance/transactions", cursor="abc")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_cursor")


async def test_a_slow_read_is_503_never_202(world: World) -> None:
    world.stand_ins.answers[GetBalances] = silent
    response = await world.get("/api/v1/balance")
    assert (response.status_code, response.json()["code"]) == (503, "no_answer")
    assert int(response.headers["Retry-After"]) > 0


async def test_csv_is_streamed_page_by_page_with_formulas_defused(world: World) -> None:
    async def pages(query: ListTransactions) -> TransactionPage:
        number = int(query.cursor or 1)
        items = tuple(item(10 - number, description=text) for text in ("=1+1", "@x", 'a "b", c\n', "Доплата")) if number < 4 else ()
        return TransactionPage(items=items, next_cursor=str(number + 1) if number < 4 else None)

    world.stand_ins.answers[ListTransactions] = pages
    response = await world.get("/api/v1/balance/transactions.csv", currency="rsd")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))

    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "transactions.csv" in response.headers["content-disposition"]
    assert len(rows) == 12
    assert [row["description"] for row in rows[:4]] == ["'=1+1", "'@x", 'a "b", c\n', "Доплата"]
    assert (rows[0]["amount"], rows[0]["amount_minor"], rows[0]["payment_id"]) == ("-1.50", "-150", str(PAYMENT_ID))
    assert [query.cursor for query in world.stand_ins.asked_of(ListTransactions)] == [None, "2", "3", "4"]


async def test_csv_that_cannot_begin_is_a_problem(world: World) -> None:
    world.stand_ins.answers[ListTransactions] = silent
    response = await world.get("/api/v1/balance/transactions.csv")
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")


async def test_csv_that_breaks_off_is_not_taken_for_whole(world: World) -> None:
    async def first_page_alone(query: ListTransactions) -> TransactionPage | None:
        return TransactionPage(items=(item(9),), next_cursor="2") if query.cursor is None else None

    world.stand_ins.answers[ListTransactions] = first_page_alone
    with capture_logs() as logs, pytest.raises(httpx.RemoteProtocolError):
        await world.get("/api/v1/balance/transactions.csv")
    assert "request failed" in [line["event"] for line in logs]


async def test_the_system_is_ready_when_all_four_are(world: World) -> None:
    all_ready = await world.http.get("/health/system")
    world.stand_ins.answers[GetNotifierHealth] = silent
    one_silent = await world.http.get("/health/system")
    world.stand_ins.ready = False
    not_ready = await world.http.get("/health/system")
    world.broker.cut()
    await world.lost()
    cut = await world.http.get("/health/system")

    assert (all_ready.status_code, set(all_ready.json()["services"])) == (200, {"gateway", "payments", "wallet", "notifier"})
    states = [{name: state["status"] for name, state in answer.json()["services"].items()} for answer in (one_silent, not_ready, cut)]
    assert [answer.status_code for answer in (one_silent, not_ready, cut)] == [503, 503, 503]
    assert states == [
        {"gateway": "ready", "payments": "ready", "wallet": "ready", "notifier": "no_answer"},
        {"gateway": "ready", "payments": "not_ready", "wallet": "not_ready", "notifier": "no_answer"},
        {"gateway": "not_ready", "payments": "no_answer", "wallet": "no_answer", "notifier": "no_answer"},
    ]


async def test_readiness_is_the_gateways_own(world: World) -> None:
    world.stand_ins.answers[GetWalletHealth] = silent
    assert (await world.http.get("/health/ready")).json() == {"service": "gateway", "status": "ready", "checks": {"broker": "ok"}}
    world.broker.cut()
    down = await world.lost()
    assert (down.status_code, down.json()["code"], down.json()["checks"]) == (503, "service_not_ready", {"broker": "BrokerUnavailable"})


async def test_errors_of_the_framework_are_problems_too(world: World) -> None:
    answers = [
        await world.http.get("/nothing/here"),
        await world.http.get("/api/v1/balance/"),
        await world.http.put("/api/v1/balance"),
        await world.http.get("/api/v1/balance/deposit"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 405, 405]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert answers[2].headers["Allow"] == "GET"


async def test_what_goes_wrong_inside_is_a_500_without_its_secrets(world: World) -> None:
    async def absurd(query: GetBalances) -> BalancesView:
        return BalancesView(balances=(balance_view("zzz", 1),))

    world.stand_ins.answers[GetBalances] = absurd
    with capture_logs() as logs:
        response = await world.get("/api/v1/balances")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert [(line["event"], line["log_level"]) for line in logs if line["event"] == "request failed"] == [("request failed", "error")]
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    assert "zzz" not in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "ž", "a\tb", "<script>"])
async def test_a_request_id_that_is_not_safe_is_replaced(world: World, sent: str) -> None:
    response = await world.http.get("/health/live", headers=[(b"X-Request-ID", sent.encode())])
    assert UUID(response.headers["X-Request-ID"]).version == 7


async def test_every_answer_has_the_security_headers(world: World) -> None:
    for path in ("/health/live", "/api/v1/me", "/nothing", "/docs", "/openapi.json"):
        headers = (await world.http.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "server" not in headers


async def test_metrics_and_documents(world: World) -> None:
    await world.get("/api/v1/balance")
    await world.get("/api/v1/payments/some-id")
    metrics = (await world.http.get("/metrics")).text
    assert 'purser_http_requests_total{method="GET",route="/api/v1/balance",status="200"}' in metrics
    assert 'route="/api/v1/payments/{payment_id}"' in metrics
    assert "some-id" not in metrics
    assert (await world.http.get("/asyncapi.json")).json()["asyncapi"] == "3.0.0"
    assert "swagger" in (await world.http.get("/docs")).text


async def test_the_docs_page_asks_nobody_but_us(world: World) -> None:
    page = await world.http.get("/docs")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.status_code == 200
    assert len(links) == 3
    for link in links:
        asset = await world.http.get(link)
        assert link.startswith("/docs/")
        assert asset.status_code == 200
        assert len(asset.content) > 500
    assert "http://" not in page.text.replace("http://localhost", "")
    assert "https://" not in page.text
