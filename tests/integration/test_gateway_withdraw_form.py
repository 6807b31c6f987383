"""The withdraw form over the real broker: what reaches payments, how often, and what is said beside its fields."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.contracts.payment_commands import Refused
from shared.contracts.withdrawals import BankAccount
from tests.integration.gateway_world import World, gateway_world, one_story
from tests.integration.pages_world import SCRIPT
from tests.integration.purse_world import BANK, Purse, beside, pays_out, values


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


@pytest.fixture
async def purse(running: World) -> AsyncIterator[Purse]:
    async with one_story(running) as story:
        pays_out(story, "bank_account")
        made = Purse(story)
        made.has("rsd", 495_025)
        yield made


async def test_a_form_reaches_payments_as_the_api_asks_and_leads_back_to_the_list(purse: Purse) -> None:
    answer = await purse.send(await purse.form("/sr/balance", amount="1.234,50"), "/sr/balance")

    (command,) = purse.asked()
    assert (command.amount_minor, command.currency, command.user_id) == (123_450, "rsd", "1")
    assert command.destination == BankAccount(**BANK)
    assert command.idempotency.key_hash is not None
    back = f"/sr/balance?withdrawal={command.withdrawal_id}#withdrawals"
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    assert "Isplata od 1.234,50\xa0RSD je primljena" in (await purse.page(back)).text


async def test_sent_twice_it_is_one_withdrawal_and_a_form_anew_is_another(purse: Purse) -> None:
    form = await purse.form()
    answers = [await purse.send(form) for _ in range(3)]
    await purse.send(await purse.form())

    assert len({answer.headers["location"] for answer in answers}) == 1
    *same, other = [(one.withdrawal_id, one.idempotency) for one in purse.asked()]
    assert len(same) == 3
    assert [one == same[0] for one in same] == [True] * 3
    assert other[0] != same[0][0]
    assert len(purse.withdrawals) == 2


async def test_the_second_click_of_a_form_that_has_taken_everything_is_told_of_its_withdrawal(purse: Purse) -> None:
    form = await purse.form(amount="4950")
    first = await purse.send(form)
    # What it holds is not available any more: asked for anew it would be too much.
    purse.balances.clear()
    purse.has("rsd", 25, held_minor=495_000)
    second = await purse.send(form)
    assert (second.status_code, second.headers.get("location")) == (303, first.headers["location"])

    other = await purse.send(form | {"amount": "4900"})
    assert other.status_code == 422, "another sum is another wish"
    assert (await purse.send(await purse.form(amount="4950"))).status_code == 422


async def test_a_double_click_that_is_still_being_worked_on_is_told_as_accepted(purse: Purse) -> None:
    purse.refusal = "idempotency_key_in_use"
    answer = await purse.send(await purse.form())
    assert answer.status_code == 303
    assert "was accepted and is being processed" in (await purse.page(answer.headers["location"])).text


async def test_a_slow_one_is_accepted_to_whoever_asked_and_shown_when_it_is_there(purse: Purse) -> None:
    purse.is_silent = True
    answer = await purse.send(await purse.form())
    back = answer.headers["location"]
    waiting = await purse.page(back)

    assert answer.status_code == 303
    assert "was accepted and is being processed" in waiting.text
    assert "data-waiting" in waiting.text
    assert "accepted" not in (await purse.page(back, user_id="3")).text
    (withdrawal_id,) = parse_qs(urlsplit(back).query)["withdrawal"]
    assert "accepted" not in (await purse.page(f"/en/balance?withdrawal={withdrawal_id}&receipt=1.{'x' * 43}")).text

    purse.is_silent = False
    purse.withdrew(withdrawal_id=purse.asked()[0].withdrawal_id, status="sending")
    done = (await purse.page(back)).text
    assert "Your withdrawal of RSD\xa0500.00 is being paid out." in done
    assert "data-waiting" not in done


async def test_one_that_was_refused_after_all_says_why(purse: Purse) -> None:
    refused = Refused(code="insufficient_funds", detail="No.", request_id="r")
    made = purse.withdrew(status="failed", problem=refused)
    page = (await purse.page(f"/en/balance?withdrawal={made.withdrawal_id}")).text
    assert "was not accepted, and no money was moved. There is not enough money on the balance for that." in page


@pytest.mark.parametrize(
    ("locale", "entered", "field", "told"),
    [
        ("en", {"amount": ""}, "amount", "Enter the amount in digits, for example 1,234.50."),
        ("ru", {"amount": "сто"}, "amount", "Введите сумму цифрами, например 1 234,50."),
        ("sr", {"amount": "1,000"}, "amount", "Ovo može da se pročita na dva načina. Napišite, na primer, ovako: 1.234,50."),
        ("en", {"amount": "99.999"}, "amount", "This can be read in two ways. Write it like this: 1,234.50."),
        ("en", {"amount": "1000.001"}, "amount", "This currency does not have so many decimals."),
        ("en", {"amount": "-5"}, "amount", "The amount must be above 0, and no more than can be moved at once."),
        ("en", {"amount": "4,950.50"}, "amount", "You can withdraw at most RSD 4,950.25."),
        ("sr", {"amount": "49,50"}, "amount", "Najmanja isplata je 50,00 RSD."),
        ("en", {"amount": "50.25"}, "amount", "The amount must be a multiple of RSD 0.50."),
        ("en", {"payout_currency": "eur"}, "payout_currency", "Choose a currency that you have money in."),
        ("en", {"payout_currency": ""}, "payout_currency", "Choose a currency that you have money in."),
        ("en", {"account": "1"}, "account", "Enter the account number or IBAN: 4 to 64 letters, digits and signs."),
        ("en", {"account": "жжжж"}, "account", "Enter the account number or IBAN: 4 to 64 letters, digits and signs."),
        ("en", {"name": "\u202eAna"}, "name", "Enter the account holder's name, in up to 100 characters."),
        ("en", {"name": "x" * 101}, "name", "Enter the account holder's name, in up to 100 characters."),
    ],
)
async def test_what_cannot_be_is_told_beside_its_field_and_asked_of_nobody(
    purse: Purse, locale: str, entered: dict[str, str], field: str, told: str
) -> None:
    form = await purse.form(f"/{locale}/balance", **entered)
    answer = await purse.send(form, f"/{locale}/balance")

    assert answer.status_code == 422
    assert (beside(answer.text, field) or "").replace("\xa0", " ") == told
    assert f'href="#{field}"' in answer.text, "the summary leads there"
    assert values(answer.text, "amount") == [form["amount"]]
    assert values(answer.text, "idempotency_key") == [form["idempotency_key"]]
    assert purse.asked() == []


async def test_the_page_carries_the_words_that_the_server_says(purse: Purse) -> None:
    """So that its script can say them before anything is sent."""
    page = (await purse.page()).text
    carried = {name: unescape(text) for name, text in re.findall(r'\sdata-([a-z-]+)="([^"]*)"', page)}
    for name, amount in {"too-much": "4950.50", "too-little": "1", "uneven": "50.25", "malformed": "x", "ambiguous": "1.500"}.items():
        answer = await purse.send(await purse.form(amount=amount))
        assert beside(answer.text, "amount") == carried[name]
    assert (carried["available"], carried["minimum"], carried["maximum"], carried["step"]) == ("495025", "5000", "1000000", "50")


@pytest.mark.parametrize(
    ("code", "status", "field", "told"),
    [
        ("insufficient_funds", 409, "amount", "You can withdraw at most RSD 4,950.25."),
        ("amount_not_available", 422, "amount", "This amount cannot be paid out here."),
        ("currency_not_available", 422, "payout_currency", "Withdrawals are not available in this currency."),
        ("destination_not_available", 422, "account", "The money cannot be sent there. Please choose another destination."),
        ("payouts_not_available", 422, "", "Withdrawals are not available here at the moment."),
        ("deadline_passed", 503, "", "That took too long and was not done. Please try again."),
        ("idempotency_key_reused", 422, "", "This form was sent before, with other values."),
    ],
)
async def test_what_payments_refuses_is_told_where_it_belongs_and_can_be_sent_anew(
    purse: Purse, code: str, status: int, field: str, told: str
) -> None:
    purse.refusal = code
    form = await purse.form(name=f"Ana {SCRIPT}")
    answer = await purse.send(form)

    assert answer.status_code == status
    page = unescape(answer.text).replace("\xa0", " ")
    assert told in (beside(answer.text, field) or "").replace("\xa0", " ") if field else told in page.partition('role="alert"')[2]
    assert values(answer.text, "name") == [form["name"]]
    assert SCRIPT not in answer.text
    (key,) = values(answer.text, "idempotency_key")
    assert key != form["idempotency_key"], "what was decided under the old one stays decided"


async def test_a_form_of_another_page_is_none(purse: Purse) -> None:
    form = await purse.form()
    assert (await purse.send({**form, "csrf_token": "x"})).status_code == 403
    assert (await purse.send(form, user_id="3")).status_code == 403
    assert (await purse.send({name: value for name, value in form.items() if name != "idempotency_key"})).status_code == 422
    guest = await purse.world.http.post("/en/balance", data=form)
    assert (guest.status_code, guest.headers["location"]) == (303, "/en/login?next=%2Fen%2Fbalance")
    assert purse.asked() == []
