"""The top-up form over the real broker: one payment however often it is sent, and what is wrong told beside its field."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.checkout import ListMethods
from shared.contracts.history import ListPayments
from shared.contracts.payment_commands import CommandReply, CreateDeposit
from tests.integration.deposit_page_world import FORM, Payer, beside, chosen, value_of
from tests.integration.gateway_world import SECRET, World, gateway_world, one_story, refused
from tests.integration.pages_world import HTML, SCRIPT, assert_nothing_inline, hidden


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


@pytest.fixture
async def payer(running: World) -> AsyncIterator[Payer]:
    async with one_story(running) as story:
        yield Payer(story)


# ---- one payment


async def test_however_often_a_form_is_sent_one_payment_is_made_and_everybody_is_led_to_it(payer: Payer) -> None:
    form = await payer.opens()
    answers = await asyncio.gather(*(payer.sends(form) for _ in range(10)))

    (made,) = payer.made
    page = f"/payment/mock?session_id={payer.session_of(made.payment_id)}"
    assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {(303, page)}
    assert (made.user_id, made.amount_minor, made.currency, made.method, made.locale) == ("1", 200_000, "rsd", "mock", "en")


async def test_two_tabs_a_reload_and_another_language_are_the_same_form(payer: Payer) -> None:
    first, second = await payer.opens(), await payer.opens(f"{FORM}?amount=2000")
    serbian = await payer.opens("/sr/balance/deposit")
    await payer.sends(first)
    after = await payer.opens()
    for form, path in ((second, FORM), (serbian, "/sr/balance/deposit"), (after, FORM)):
        await payer.sends(form, path)

    assert len(payer.made) == 1


async def test_another_sum_or_another_way_is_another_payment_and_other_peoples_are_theirs(payer: Payer) -> None:
    form = await payer.opens()
    await payer.sends(form)
    await payer.sends(form, amount="2000.01")
    await payer.sends(form, amount="20", currency="eur")
    await payer.sends(form, amount="20", currency="eur", method="stripe")
    others = await payer.opens(user_id="3")

    assert len(payer.made) == 4
    assert hidden(others)["idempotency_key"] != hidden(form)["idempotency_key"]


@pytest.mark.parametrize(
    ("status", "leads"),
    [
        ("completed", "/en/balance/deposit/success?session_id={session}&amount=2000.00"),
        ("refunded", "/en/balance/deposit/success?session_id={session}&amount=2000.00"),
        ("failed", "/en/balance/deposit?error=payment_failed&session_id={session}"),
        ("expired", "/en/balance/deposit?error=payment_failed&session_id={session}"),
        ("canceled", "/en/balance/deposit?error=payment_failed&session_id={session}"),
    ],
)
async def test_going_back_to_the_form_of_a_payment_that_is_over_leads_to_its_result(payer: Payer, status: str, leads: str) -> None:
    form = await payer.opens()
    await payer.sends(form)
    payer.ends(payer.newest, status)
    again = await payer.sends(form)

    assert again.headers["location"] == leads.format(session=payer.session_of(payer.newest))
    assert len(payer.made) == 1

    fresh = await payer.sends(await payer.opens())
    assert "/payment/mock?" in fresh.headers["location"]
    assert len(payer.made) == 2, "a new form means a new top-up, once the one before has ended"


@pytest.mark.parametrize("status", ["completed", "expired"])
async def test_however_many_payments_are_open_a_new_form_means_a_new_top_up_once_one_has_ended(payer: Payer, status: str) -> None:
    form = await payer.opens()
    await payer.sends(form)
    payer.ends(payer.newest, status)
    for amount in range(1, 102):
        await payer.sends(form, amount=str(amount))
    result = await payer.sends(form)
    fresh = await payer.sends(await payer.opens(result.headers["location"] if status == "expired" else FORM))

    assert "/payment/mock?" in fresh.headers["location"]
    assert len(payer.made) == 103


async def test_after_a_refusal_every_tab_asks_anew_and_for_one_payment(payer: Payer) -> None:
    """Also when it came after the page had stopped waiting: the form that is opened then was sent by nobody yet."""
    form = await payer.opens()
    answers = payer.world.stand_ins.answers
    create = answers[CreateDeposit]

    async def refuse(command: CreateDeposit) -> CommandReply[Any]:
        await create(command)
        payer.ends(command.payment_id, "failed")
        return CommandReply(answer=refused("payment_rejected", command))

    answers[CreateDeposit] = refuse
    shown = await payer.sends(form)
    answers[CreateDeposit] = create
    other_tab = await payer.opens()
    assert hidden(shown)["idempotency_key"] == hidden(other_tab)["idempotency_key"] != hidden(form)["idempotency_key"]
    assert len({(await payer.sends(tab)).headers["location"] for tab in (shown, other_tab)}) == 1


async def test_while_the_secret_is_being_rolled_all_replicas_make_the_same_form(payer: Payer, module_amqp_url: str) -> None:
    before = await payer.opens()
    async with gateway_world(module_amqp_url, secret_key=("n" * 32, SECRET)) as rolled:
        answers = payer.world.stand_ins.answers
        rolled.stand_ins.answers |= {ListMethods: answers[ListMethods], ListPayments: answers[ListPayments]}
        after = await rolled.http.get(FORM, headers=HTML | payer.cookie())
    assert hidden(after)["idempotency_key"] == hidden(before)["idempotency_key"]


# ---- what may be chosen


async def test_the_form_offers_what_is_on_and_takes_deposits(payer: Payer) -> None:
    answer = await payer.opens()

    assert re.findall(r'name="method" value="(\w+)"', answer.text) == ["mock", "stripe"]
    assert re.findall(r'<option value="(\w+)"', answer.text) == ["rsd", "eur", "jpy"]
    assert re.findall(r'data-amount="(\d+)"', answer.text) == ["1000", "2000", "5000", "10000"]
    assert chosen(answer) == ("rsd", "mock")
    assert_nothing_inline(answer.text)


@pytest.mark.parametrize(
    ("query", "amount", "stands_at"),
    [
        ("amount=2000.50&currency=RSD&method=mock", "2000,50", ("rsd", "mock")),
        ("amount=2000.00", "2000", ("rsd", "mock")),
        ("amount=20&currency=eur&method=stripe", "20", ("eur", "stripe")),
        ("amount=1%20234%2C5&currency=eur", "1 234,5", ("eur", "mock")),
        ("currency=xxx&method=balance", "", ("rsd", "mock")),
        ("amount=%3Cscript%3E", "<script>", ("rsd", "mock")),
        ("amount=" + "9" * 300, "9" * 61, ("rsd", "mock")),
    ],
)
async def test_an_address_fills_the_form_in(payer: Payer, query: str, amount: str, stands_at: tuple[str, str]) -> None:
    answer = await payer.opens(f"/ru/balance/deposit?{query}")
    assert (value_of(answer, "amount"), chosen(answer)) == (amount, stands_at)
    assert_nothing_inline(answer.text)


@pytest.mark.parametrize(
    ("locale", "written", "amount_minor"),
    [("en", "1,234.50", 123_450), ("ru", "1 234,50", 123_450), ("sr", "1.234,50", 123_450), ("sr", "1234.5", 123_450)],
)
async def test_amounts_are_read_as_each_language_writes_them(payer: Payer, locale: str, written: str, amount_minor: int) -> None:
    path = f"/{locale}/balance/deposit"
    answer = await payer.sends(await payer.opens(path), path, amount=written)
    assert answer.status_code == 303
    assert [(made.amount_minor, made.locale) for made in payer.made] == [(amount_minor, locale)]


@pytest.mark.parametrize(
    ("entered", "field", "message"),
    [
        ({"amount": ""}, "amount", "Enter the amount in digits, for example 1,234.50."),
        ({"amount": SCRIPT}, "amount", "Enter the amount in digits, for example 1,234.50."),
        ({"amount": "0"}, "amount", "The amount must be above 0, and no more than can be moved at once."),
        ({"amount": "0.001"}, "amount", "This currency does not have so many decimals."),
        ({"amount": "12.345"}, "amount", "This can be read in two ways. Write it like this: 1,234.50."),
        ({"amount": "0.45", "currency": "eur"}, "amount", "The smallest amount here is €0.50."),
        ({"amount": "5000.05", "currency": "eur"}, "amount", "The largest amount here is €5,000.00."),
        ({"amount": "1.01", "currency": "eur"}, "amount", "The amount must be a multiple of €0.05."),
        ({"currency": "xyz"}, "currency", "Please choose one of these currencies."),
        ({"method": "stripe"}, "method", "Stripe does not take RSD. Please choose another way to pay, or another currency."),
        ({"method": "balance"}, "method", "Please choose one of these ways to pay."),
        ({"method": ""}, "method", "Please choose one of these ways to pay."),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_lost(
    payer: Payer, entered: dict[str, str], field: str, message: str
) -> None:
    form = await payer.opens()
    answer = await payer.sends(form, **entered)

    assert answer.status_code == 422
    assert beside(answer, field) == message
    assert f'href="#{field}">' in answer.text, "and in the summary"
    assert 'aria-describedby="' in answer.text
    assert value_of(answer, "amount") == entered.get("amount", "2000")
    assert hidden(answer)["idempotency_key"] == hidden(form)["idempotency_key"]
    assert_nothing_inline(answer.text)
    assert payer.made == []


# ---- who may


async def test_a_form_needs_its_token_and_its_key(payer: Payer) -> None:
    fields = hidden(await payer.opens())
    others = hidden(await payer.opens(user_id="3"))
    for changes in ({"csrf_token": ""}, {"csrf_token": others["csrf_token"]}):
        assert (await payer.sends(fields | changes)).status_code == 403
    assert (await payer.sends({"csrf_token": fields["csrf_token"]})).status_code == 422
    assert payer.made == []


async def test_whoever_was_logged_out_meanwhile_logs_in_first(payer: Payer) -> None:
    fields = hidden(await payer.opens())
    shown = await payer.world.http.get(f"{FORM}?amount=5", headers=HTML)
    sent = await payer.world.http.post(FORM, data=fields | {"amount": "5"}, headers=HTML)

    assert (shown.status_code, shown.headers["location"]) == (303, "/en/login?next=%2Fen%2Fbalance%2Fdeposit%3Famount%3D5")
    assert (sent.status_code, sent.headers["location"]) == (303, "/en/login?next=%2Fen%2Fbalance%2Fdeposit")
    assert payer.made == []


# ---- when it is refused


def refusing(code: str) -> Any:
    async def answer(command: CreateDeposit) -> CommandReply[Any]:
        return CommandReply(answer=refused(code, command))

    return answer


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("payment_rejected", 422, "The payment provider does not take this payment."),
        ("amount_not_available", 422, "This amount cannot be paid this way."),
        ("provider_unavailable", 503, "The payment provider does not answer right now."),
        ("deadline_passed", 503, "That took too long and was not done."),
    ],
)
async def test_a_refusal_is_the_form_again_with_what_was_entered(payer: Payer, code: str, status: int, words: str) -> None:
    form = await payer.opens()
    payer.world.stand_ins.answers[CreateDeposit] = refusing(code)
    answer = await payer.sends(form, amount="20.5", currency="eur")

    assert (answer.status_code, "retry-after" in answer.headers) == (status, status == 503)
    assert words in answer.text
    assert (value_of(answer, "amount"), chosen(answer)) == ("20.5", ("eur", "mock"))
    is_the_same = hidden(answer)["idempotency_key"] == hidden(form)["idempotency_key"]
    assert is_the_same == (status == 503), "a refusal that is kept would be told again under its key; one that is not, is tried again"


async def test_while_the_broker_is_away_the_form_stays(payer: Payer) -> None:
    form = await payer.opens()
    payer.world.broker.cut()
    await payer.world.lost()
    answer = await payer.sends(form)
    await payer.world.restored()

    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert "Nothing is lost" in answer.text
    assert value_of(answer, "amount") == "2000"
    assert (await payer.sends(answer)).status_code == 303
