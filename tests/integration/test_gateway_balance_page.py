"""The balance page over the real broker: what it shows of what services tell, and what they are asked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.contracts.queries import ListTransactions
from shared.contracts.withdrawals import DecideWithdrawal, ListWithdrawals
from tests.integration.gateway_world import World, gateway_world, one_story, silent
from tests.integration.pages_world import SCRIPT
from tests.integration.purse_world import PAYMENT, Purse, beside, pays_out, values


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


@pytest.fixture
async def purse(running: World) -> AsyncIterator[Purse]:
    async with one_story(running) as story:
        pays_out(story, "bank_account")
        yield Purse(story)


async def test_whoever_is_not_logged_in_is_sent_to_log_in_and_back(purse: Purse) -> None:
    answer = await purse.world.http.get("/sr/balance?kind=deposit")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sr/login?next=%2Fsr%2Fbalance%3Fkind%3Ddeposit")


async def test_each_currency_is_shown_in_the_visitors_way_the_installations_own_first(purse: Purse) -> None:
    purse.has("eur", 1_234_550)
    purse.has("rsd", 495_025, held_minor=50_000)

    page = (await purse.page("/sr/balance")).text

    widgets = re.findall(r'<balance-widget[^>]*currency="(\w+)"[^>]*data-version="7">([^<]*)<', page)
    assert [(code, text.replace("\xa0", " ")) for code, text in widgets] == [("rsd", "4.950,25 RSD"), ("eur", "12.345,50 €")]
    assert page.replace("\xa0", " ").count("500,00 RSD") == 1, "what is on hold is said once, where it is"


async def test_where_nothing_ever_moved_it_is_zero_of_the_installations_currency(purse: Purse) -> None:
    answer = await purse.page()
    assert answer.status_code == 200
    assert re.search(r'<balance-widget[^>]*currency="rsd"[^>]*data-version="0">RSD\xa00\.00<', answer.text)
    assert "Nothing has moved yet" in answer.text
    assert "There is nothing to withdraw yet" in answer.text
    assert "There are no withdrawals yet" in answer.text


async def test_what_moved_is_listed_with_its_sign_and_its_payment_and_nothing_of_it_is_run(purse: Purse) -> None:
    purse.has("rsd", 100)
    purse.moved(200_050, description=SCRIPT)
    purse.moved(-50_000, "withdrawal", payment_id=None)
    purse.moved(7, "a_new_kind")
    purse.moved(50_000, "withdrawal", payment_id=None)

    page = (await purse.page()).text

    rows = re.findall(r"<tr>\s*<td(.*?)</tr>", page, re.DOTALL)
    assert len(rows) == 4
    assert "+RSD\xa02,000.50" in rows[0]
    assert f'href="/en/payments/{PAYMENT}"' in rows[0]
    assert "&lt;script&gt;" in rows[0]
    assert "−RSD\xa0500.00" in rows[1]
    assert "<a " not in rows[1], "no payment, no link"
    assert "a new kind" in rows[2]
    assert ["Back on the balance" in row for row in rows] == [False, False, False, True]
    assert not re.search(r"<script(?! src)|\son[a-z]+=|style=|<style", page)


async def test_filters_are_asked_with_and_the_csv_has_the_same(purse: Purse) -> None:
    purse.has("rsd", 100)
    purse.moved(1)
    page = (await purse.page("/en/balance?currency=rsd&kind=deposit&from=2026-01-01&until=2026-01-31&zone=Europe/Belgrade")).text

    asked: ListTransactions = purse.world.stand_ins.asked_of(ListTransactions)[0]
    assert (asked.user_id, asked.currency, asked.kind, asked.cursor) == ("1", "rsd", "deposit", None)
    assert asked.since is not None
    assert asked.until is not None
    (csv,) = re.findall(r'href="(/api/v1/balance/transactions\.csv[^"]*)"', page)
    query = {name: value for name, (value,) in parse_qs(urlsplit(unescape(csv)).query).items()}
    assert query == {"currency": "rsd", "kind": "deposit", "since": "2025-12-31T23:00:00Z", "until": "2026-01-31T23:00:00Z"}
    assert query == asked.model_dump(mode="json", include={"currency", "kind", "since", "until"})

    assert (await purse.world.get(csv.partition("?")[0], **query)).status_code == 200
    of_csv: ListTransactions = purse.world.stand_ins.asked_of(ListTransactions)[1]
    assert (of_csv.currency, of_csv.kind, of_csv.since, of_csv.until) == (asked.currency, asked.kind, asked.since, asked.until)
    assert '<option value="deposit" selected>' in page
    assert (values(page, "from"), values(page, "until")) == (["2026-01-01"], ["2026-01-31"])


async def test_days_that_are_none_are_told_beside_their_fields(purse: Purse) -> None:
    page = (await purse.page("/ru/balance?from=tomorrow&until=2026-01-01")).text
    upside_down = (await purse.page("/en/balance?from=2026-02-01&until=2026-01-01")).text

    assert beside(page, "from") == "Укажите день, например 2026-01-31."
    assert beside(page, "until") is None
    assert beside(upside_down, "until") == "The last day is before the first."


async def test_older_pages_keep_what_is_chosen_and_lead_back(purse: Purse) -> None:
    purse.moved(1)
    purse.next_cursor = "c+2/="
    first = (await purse.page("/en/balance?kind=deposit&older=w1")).text
    (older,) = [unescape(link) for link in re.findall(r'href="([^"]*)" rel="next"', first)]
    assert older == "/en/balance?kind=deposit&cursor=c%2B2%2F%3D&older=w1#history"

    second = (await purse.page(older)).text
    assert purse.world.stand_ins.asked_of(ListTransactions)[-1].cursor == "c+2/="
    assert purse.world.stand_ins.asked_of(ListWithdrawals)[-1].cursor == "w1"
    assert "/en/balance?kind=deposit&amp;older=w1#history" in second, "back to the newest"
    assert ('data-page="older"' in second, 'data-page="first"' in (await purse.page()).text) == (True, True)


async def test_a_cursor_that_is_none_leads_to_the_newest(purse: Purse) -> None:
    answer = await purse.page("/ru/balance?cursor=broken")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ru/balance")


async def test_while_payments_is_away_the_balance_is_shown_all_the_same(purse: Purse) -> None:
    purse.has("rsd", 100_00)
    purse.world.stand_ins.answers[ListWithdrawals] = silent
    page = await purse.page()

    assert page.status_code == 200
    assert "RSD\xa0100.00" in page.text
    assert "The list cannot be shown right now" in page.text


async def test_while_wallet_is_away_it_is_an_error_page_and_no_zero(purse: Purse) -> None:
    purse.world.stand_ins.answers[ListTransactions] = silent
    page = await purse.page()
    assert (page.status_code, "balance-widget" in page.text.partition("<main")[2]) == (503, False)


# ---- withdrawals, and calling one off


async def test_withdrawals_are_listed_masked_with_what_can_be_done(purse: Purse) -> None:
    waiting = purse.withdrew()
    purse.withdrew(status="rejected", reason=f"not yours {SCRIPT}")
    page = (await purse.page()).text

    items = re.findall(r"<li data-withdrawal.*?</li>", page, re.DOTALL)
    assert ["Rejected" in items[0], "Pending" in items[1]] == [True, True]
    assert "Reason: not yours &lt;script&gt;" in items[0]
    assert "•••• 8995, J. J." in items[1]
    assert [re.findall(r'href="([^"]*cancel)"', item) for item in items] == [
        [],
        [f"/en/balance/withdrawals/{waiting.withdrawal_id}/cancel"],
    ]


async def test_calling_one_off_is_asked_about_and_done_once(purse: Purse) -> None:
    path = f"/en/balance/withdrawals/{purse.withdrew().withdrawal_id}/cancel"
    page = await purse.page(path)
    assert "RSD\xa0500.00" in page.text
    fields = {"csrf_token": values(page.text, "csrf_token")[0]}

    without = await purse.send({"csrf_token": "x"}, path)
    answers = [await purse.send(fields, path) for _ in range(2)]

    back = path.replace("/withdrawals/", "?withdrawal=").replace("/cancel", "#withdrawals")
    assert (without.status_code, [(one.status_code, one.headers["location"]) for one in answers]) == (403, [(303, back)] * 2)
    asked: list[Any] = purse.world.stand_ins.asked_of(DecideWithdrawal)
    assert {(one.decision, one.actor_user_id, one.idempotency.key_hash) for one in asked} == {("cancel", "1", None)}
    told = (await purse.page(back)).text
    assert "Your withdrawal of RSD\xa0500.00 was canceled. The money is back on your balance." in told
    assert (await purse.page(path)).status_code == 303, "there is nothing to ask about any more"


async def test_what_is_too_late_to_call_off_is_told_as_it_is(purse: Purse) -> None:
    made = purse.withdrew()
    path = f"/ru/balance/withdrawals/{made.withdrawal_id}/cancel"
    fields = {"csrf_token": values((await purse.page(path)).text, "csrf_token")[0]}
    purse.refusal = "withdrawal_not_pending"
    purse.withdrawals[made.withdrawal_id] = made.model_copy(update={"status": "paid"})

    answer = await purse.send(fields, path)

    assert answer.status_code == 303
    assert "Вывод 500,00\xa0RSD выполнен." in (await purse.page(answer.headers["location"])).text


async def test_anothers_withdrawal_is_not_found_here_by_an_admin_either(purse: Purse) -> None:
    theirs = purse.withdrew(user_id="3")
    path = f"/en/balance/withdrawals/{theirs.withdrawal_id}/cancel"
    for viewer in ("1", "9"):
        own = purse.withdrew(user_id=viewer).withdrawal_id
        form = await purse.page(f"/en/balance/withdrawals/{own}/cancel", viewer)
        fields = {"csrf_token": values(form.text, "csrf_token")[0]}

        assert (await purse.page(path, viewer)).status_code == 404
        assert (await purse.send(fields, path, viewer)).status_code == 404
        note = (await purse.page(f"/en/balance?withdrawal={theirs.withdrawal_id}", viewer)).text
        assert "Your withdrawal of" not in note
    assert (await purse.page("/en/balance/withdrawals/1/cancel")).status_code == 404
    assert purse.world.stand_ins.asked_of(DecideWithdrawal) == []
