"""The operator's pages without a browser: who may see them, what they say, and that one silent service takes nothing else with it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contracts.audit import ListAudit
from shared.contracts.operator import GetFigures, GetHeld, ListSeries, ListStuck
from shared.contracts.payment_commands import Refused
from shared.contracts.withdrawals import ListWithdrawals
from tests.integration.admin_world import ITEM, LIST, PAYMENT, WITHDRAWAL, Desk, admin_cookie
from tests.integration.gateway_world import World, gateway_world, one_story, refused, silent
from tests.integration.pages_world import HTML

PATHS = ("/en/admin", LIST, f"{LIST}/{WITHDRAWAL}", "/en/admin/suspense", f"/en/admin/suspense/{ITEM}", "/en/admin/log")


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.7) as started:
        yield started


@pytest.fixture
async def desk(running: World) -> AsyncIterator[Desk]:
    async with one_story(running) as story:
        yield Desk(story)


@pytest.mark.parametrize("path", PATHS)
async def test_only_an_admin_sees_them(desk: Desk, path: str) -> None:
    guest = await desk.world.http.get(path, headers=HTML)
    assert (guest.status_code, guest.headers["location"]) == (303, f"/en/login?next={path.replace('/', '%2F')}")
    for role in ("student", "mentor"):
        answer = await desk.page(path, **admin_cookie(role=role))
        assert answer.status_code == 403
        assert "Your account has no access to this page" in answer.text
    assert desk.world.stand_ins.asked == [], "nobody is asked for somebody who may not know"
    assert (await desk.page(path)).status_code == 200
    assert (await desk.page(path.replace("/en/", "/de/"))).status_code == 404


@pytest.mark.parametrize("path", PATHS)
async def test_in_each_language_without_a_script_in_the_page(desk: Desk, path: str) -> None:
    titles = set()
    for locale in ("en", "ru", "sr"):
        answer = await desk.page(path.replace("/en/", f"/{locale}/"))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|\sstyle=|<style|\son[a-z]+=", answer.text)
        assert "<b>7</b>" not in answer.text
        assert "<i>closed</i>" not in answer.text
        titles.add(re.search(r"<h1>(.*?)</h1>", answer.text))
    assert len(titles) == 3


async def test_the_overview_tells_the_day_by_currency_the_own_one_first(desk: Desk) -> None:
    page = (await desk.page("/en/admin")).text
    (asked,) = desk.world.stand_ins.asked_of(GetFigures)
    assert asked.until - asked.since == timedelta(days=1)
    assert (asked.since.hour, asked.since.minute, asked.since.second) == (0, 0, 0)
    money_in, money_out, held, waiting = [
        page[page.index(f'aria-labelledby="{one}"') : page.index(f'aria-labelledby="{after}"')]
        for one, after in (("in", "out"), ("out", "held"), ("held", "waiting"), ("waiting", "over-time"))
    ]
    assert re.findall(r'class="total">([^<]*)<', money_in) == ["RSD\u00a01,234,567.89", "$50.00"]
    assert re.findall(r'class="total">([^<]*)<', money_out) == ["$40.00"], "refunds and withdrawals"
    assert "Refund · 1" in money_out
    assert "Withdrawal · 2" in money_out
    assert "RSD\u00a0900.01" in held
    assert "3 holds" in held
    assert "the oldest for 2 days" in held
    assert '<a href="/en/admin/withdrawals?status=pending">Withdrawals to approve</a>' in waiting
    assert "RSD\u00a0900.00" in waiting


async def test_what_is_stuck_leads_to_where_one_learns_more(desk: Desk) -> None:
    page = (await desk.page("/en/admin")).text
    for path in (f"/en/payments/{PAYMENT}", f"/en/admin/withdrawals/{WITHDRAWAL}", f"/en/admin/suspense/{ITEM}"):
        assert f'<a href="{path}">' in page
    assert "The provider has not answered" in page
    assert "5 hr" in page
    assert "Not published yet" in page, "wallet's events wait for seven minutes"
    assert ">41<" in page, "40 of payments, and wallet's messages"
    assert "2 messages could not be processed and are in the dead letters." in page
    assert "The 4 that wait the longest are shown." in page


async def test_charts_are_drawn_and_told_in_a_table(desk: Desk) -> None:
    page = (await desk.page("/en/admin?period=month")).text
    assert desk.world.stand_ins.asked_of(ListSeries)[0].bucket == "day"
    assert page.count('<svg viewBox="0 -5 ') == 2
    assert page.count('role="img"') == 2
    assert '<rect class="s-completed"' in page
    assert '<rect class="s-stripe"' in page
    assert "17 payments; the most, 17, at Jan 31, 2026 (UTC)." in page
    assert '<td class="right" data-label="Paid in full">17</td>' in page
    await desk.page("/en/admin?period=century")
    assert desk.world.stand_ins.asked_of(ListSeries)[1].bucket == "hour"


@pytest.mark.parametrize("kind", [GetFigures, GetHeld, ListSeries, ListStuck, ListWithdrawals])
async def test_what_cannot_be_told_now_is_said_so_beside_the_rest(desk: Desk, kind: type) -> None:
    desk.world.stand_ins.answers[kind] = silent
    answer = await desk.page("/en/admin")
    assert answer.status_code == 200
    told = answer.text.count("Not available right now.")
    assert told == (3 if kind is GetFigures else 1)


async def test_what_takes_too_long_to_count_is_said_so_too(desk: Desk) -> None:
    async def too_long(query: GetFigures) -> Refused:
        return refused("figures_not_ready", query)

    desk.world.stand_ins.answers[GetFigures] = too_long
    assert (await desk.page("/en/admin")).text.count("Not available right now.") == 3


async def test_with_the_broker_down_the_page_says_that_it_knows_nothing(desk: Desk) -> None:
    desk.world.broker.cut()
    await desk.world.lost()
    answer = await desk.page("/en/admin")
    assert answer.status_code == 200
    assert answer.text.count("Not available right now.") == 7


async def test_the_log_links_to_what_was_done_and_keeps_an_orders_id_to_itself(desk: Desk) -> None:
    page = (await desk.page("/en/admin/log?action=withdrawal.reject")).text
    (asked,) = desk.world.stand_ins.asked_of(ListAudit)
    assert asked.action == "withdrawal.reject"
    assert f'<a href="/en/admin/withdrawals/{WITHDRAWAL}">' in page
    assert "user 9" in page
    assert str(PAYMENT) not in page, "an order's id is its secret"
    wrong = (await desk.page("/en/admin/log?action=%3Cscript%3E")).text
    assert "There is no such action." in wrong
    assert "<script>" not in wrong
