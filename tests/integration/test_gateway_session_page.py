"""The page of a session: what it offers, how its form is made good, and that it makes one payment however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.contracts.base import Message, new_id
from shared.contracts.intents import CancelPayment, CreateIntent
from shared.contracts.payment_commands import CommandReply, InProgress
from shared.contracts.sessions import SessionPayments
from tests.integration.gateway_world import World, gateway_world, one_story, refused
from tests.integration.pages_world import HTML, SCRIPT, hidden
from tests.integration.sessions_world import NOTHING, PAID, PAY, Desk, listed, ways


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    settings = {"stripe_webhook_secret": "whsec_0123456789abcdef", "stripe_publishable_key": "pk_test_1"}
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=5.0, **settings) as started:
        yield started


@pytest.fixture
async def desk(running: World) -> AsyncIterator[Desk]:
    async with one_story(running) as story:
        story.stand_ins.forget()
        made = Desk(story)
        yield made


# ---- what is offered


async def test_what_it_is_whose_and_its_price(desk: Desk) -> None:
    desk.title = SCRIPT
    page = await desk.page()
    assert page.status_code == 200
    assert "&lt;script&gt;" in page.text
    assert "with mentor 2" in page.text
    assert "Pay RSD\N{NO-BREAK SPACE}5,000.00" in page.text
    assert "Оплатить 5\N{NO-BREAK SPACE}000,00\N{NO-BREAK SPACE}RSD" in (await desk.page("/ru/sessions/7/pay")).text


async def test_the_ways_to_pay_in_their_order_the_first_one_chosen(desk: Desk) -> None:
    assert ways(await desk.page()) == {"stripe": "checked", "balance": "", "elsewhere": ""}


async def test_a_balance_that_does_not_cover_the_price_is_shown_and_cannot_be_chosen(desk: Desk) -> None:
    desk.available_minor = 123_456
    page = await desk.page()
    assert ways(page)["balance"] == "disabled"
    assert "1,234.56 available. That does not cover the price." in page.text
    assert 'href="/en/balance/deposit?amount=3765.44&amp;currency=rsd"' in page.text

    anyway = await desk.send(await desk.form(), "balance")
    assert anyway.status_code == 422
    assert "Your balance does not cover the price" in anyway.text
    assert not desk.commands


async def test_who_is_not_logged_in_logs_in_first(desk: Desk) -> None:
    shown = await desk.world.http.get(PAY, headers=HTML)
    sent = await desk.world.http.post(PAY, data={"method": "mock"}, headers=HTML)
    assert {answer.headers["location"] for answer in (shown, sent)} == {"/en/login?next=%2Fen%2Fsessions%2F7%2Fpay"}


@pytest.mark.parametrize("path", ["/en/sessions/8/pay", "/en/sessions/a%20b/pay", "/de/sessions/7/pay", f"/en/sessions/{'x' * 65}/pay"])
async def test_there_is_no_other_page(desk: Desk, path: str) -> None:
    assert (await desk.page(path)).status_code == 404


async def test_mentors_are_told_that_the_session_is_their_own(desk: Desk) -> None:
    page = await desk.page(user_id="2")
    assert "This is your own session" in page.text
    assert not ways(page)


async def test_a_form_that_no_page_of_ours_made_is_refused(desk: Desk) -> None:
    form = await desk.form()
    assert (await desk.send(form | {"csrf_token": "forged"}, "stripe")).status_code == 403
    assert (await desk.send({name: form[name] for name in form if name != "idempotency_key"}, "stripe")).status_code == 422
    assert not desk.commands


async def test_what_is_chosen_must_be_among_the_ways(desk: Desk) -> None:
    answer = await desk.send(await desk.form(), "prodamus")
    assert answer.status_code == 422
    assert 'id="method-error">Choose how you want to pay.' in answer.text


async def test_a_price_that_has_changed_since_is_shown_and_not_paid(desk: Desk) -> None:
    form = await desk.form()
    desk.price_minor = 550_000
    answer = await desk.send(form, "balance")
    assert answer.status_code == 409
    assert "The price has changed meanwhile: it is RSD\N{NO-BREAK SPACE}5,500.00 now." in answer.text
    assert not desk.commands
    assert (await desk.send(await desk.form(), "balance")).status_code == 303


# ---- one payment


async def test_the_way_leads_on_in_the_payers_language(desk: Desk) -> None:
    form = await desk.form("/sr/sessions/7/pay")
    card = await desk.send(form, "stripe", "/sr/sessions/7/pay")
    balance = await desk.send(form, "balance", "/sr/sessions/7/pay")
    elsewhere = await desk.send(form, "elsewhere", "/sr/sessions/7/pay")

    asked = desk.commands
    assert card.headers["location"] == "/sr/pay/01a1ff50-dc78-7c2b-9c20-d741021c8170"
    assert balance.headers["location"] == f"/sr/sessions/7/paid?payment_id={asked[1].payment_id}"
    assert elsewhere.headers["location"] == f"/sr/sessions/7/paid?payment_id={asked[2].payment_id}&onward=1"
    assert {(one.user_id, one.mentor_id, one.session_id, one.amount_minor, one.currency, one.locale) for one in asked} == {
        ("1", "2", "7", 500_000, "rsd", "sr")
    }


async def test_two_tabs_and_a_double_click_make_one_payment(desk: Desk) -> None:
    tabs = [await desk.form(), await desk.form("/ru/sessions/7/pay")]
    answers = await asyncio.gather(*(desk.send(form, "stripe") for form in tabs * 2))
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len({command.payment_id for command in desk.commands}) == 1


async def test_what_is_open_goes_on_and_is_not_made_again(desk: Desk) -> None:
    desk.standing = NOTHING.model_copy(update={"open": listed("stripe")})
    desk.view = {"payment_url": f"{desk.world.settings.public_url}/payment/mock?session_id=1"}
    page = await desk.page()
    answer = await desk.send(await desk.form(), "stripe")

    assert "you are charged only once" in page.text
    assert answer.headers["location"] == "/payment/mock?session_id=1"
    assert not desk.commands


async def test_who_chooses_another_way_cannot_pay_both(desk: Desk) -> None:
    begun = listed()
    desk.standing = NOTHING.model_copy(update={"open": begun})
    answer = await desk.send(await desk.form(), "balance")
    (given_up,) = desk.world.stand_ins.asked_of(CancelPayment)
    assert given_up.payment_id == str(begun.payment_id)
    assert answer.headers["location"].startswith(PAID)
    assert len(desk.commands) == 1


@pytest.mark.parametrize("code", ["already_paid", "payment_processing", "payment_not_cancelable", None])
async def test_what_cannot_be_given_up_is_shown_instead_of_paying_twice(desk: Desk, code: str | None) -> None:
    begun = listed()
    desk.standing = NOTHING.model_copy(update={"open": begun})

    async def cancel(command: Message) -> Any:
        return CommandReply(answer=InProgress(resource_id=begun.payment_id) if code is None else refused(code, command))

    desk.world.stand_ins.answers[CancelPayment] = cancel
    answer = await desk.send(await desk.form(), "balance")
    assert answer.headers["location"] == f"{PAID}?payment_id={begun.payment_id}"
    assert not desk.commands


async def test_what_is_paid_is_told_and_paid_again_only_on_purpose(desk: Desk) -> None:
    before = await desk.form()
    paid = listed(status="completed")
    desk.standing = SessionPayments(open=None, paid=paid, ended_payment_id=paid.payment_id)

    page = await desk.page()
    stale = await desk.send(before, "balance")
    assert "You have paid for this session" in page.text
    assert not ways(page)
    assert stale.headers["location"] == f"{PAID}?payment_id={paid.payment_id}", "out of the browser's memory"
    assert not desk.commands

    again = await desk.form(f"{PAY}?again=1")
    assert (await desk.send(again, "balance")).status_code == 303
    assert len(desk.commands) == 1


async def test_a_payment_that_has_ended_makes_the_next_attempt_another_one(desk: Desk) -> None:
    first = await desk.form()
    desk.standing = NOTHING.model_copy(update={"ended_payment_id": new_id()})
    second = await desk.form()
    assert first["idempotency_key"] != second["idempotency_key"]
    for form in (first, second):
        await desk.send(form, "stripe")
    assert len({command.payment_id for command in desk.commands}) == 2


# ---- what payments answers


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("insufficient_funds", 409, "Your balance does not cover the price"),
        ("amount_mismatch", 409, "The price has changed meanwhile"),
        ("payment_rejected", 422, "does not take this payment"),
        ("provider_unavailable", 503, "does not answer right now"),
    ],
)
async def test_a_refusal_is_told_above_the_form_as_it_was_filled(desk: Desk, code: str, status: int, words: str) -> None:
    async def refuse(command: Message) -> Any:
        return CommandReply(answer=refused(code, command))

    desk.world.stand_ins.answers[CreateIntent] = refuse
    answer = await desk.send(await desk.form(), "balance")
    assert answer.status_code == status
    assert words in answer.text
    assert ways(answer)["balance"] == "checked"
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_after_a_refusal_the_form_that_is_shown_asks_anew(desk: Desk) -> None:
    """Its refusal is kept: sent under the same key, it would be told again after the balance has been topped up."""
    sent = await desk.form()

    async def refuse(command: Message) -> Any:
        desk.standing = SessionPayments(open=None, paid=None, ended_payment_id=new_id())
        return CommandReply(answer=refused("insufficient_funds", command))

    desk.world.stand_ins.answers[CreateIntent] = refuse
    shown = hidden(await desk.send(sent, "balance"))
    assert shown["idempotency_key"] != sent["idempotency_key"]
    assert shown["idempotency_key"] == (await desk.form())["idempotency_key"]


async def test_the_second_click_from_a_balance_that_has_just_been_spent_is_told_of_the_first(desk: Desk) -> None:
    form = await desk.form()
    begun = listed("balance")
    desk.standing, desk.available_minor, desk.view = SessionPayments(open=begun, paid=None, ended_payment_id=None), 0, {"method": "balance"}
    second = await desk.send(form, "balance")
    assert (second.status_code, second.headers.get("location")) == (303, f"{PAID}?payment_id={begun.payment_id}")
    assert not desk.commands


async def test_a_form_whose_payment_is_over_opens_the_page_anew(desk: Desk) -> None:
    async def over(command: Message) -> Any:
        return CommandReply(answer=refused("session_final", command))

    desk.world.stand_ins.answers[CreateIntent] = over
    assert (await desk.send(await desk.form(), "stripe")).headers["location"] == PAY


async def _in_progress(command: CreateIntent) -> Any:
    return CommandReply(answer=InProgress(resource_id=command.payment_id))


async def _in_use(command: CreateIntent) -> Any:
    return CommandReply(answer=refused("idempotency_key_in_use", command))


@pytest.mark.parametrize("slow", [_in_progress, _in_use])
async def test_what_is_slow_leads_to_a_page_that_waits(desk: Desk, slow: Any) -> None:
    desk.world.stand_ins.answers[CreateIntent] = slow
    answer = await desk.send(await desk.form(), "balance")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["payment_id"] == [str(desk.commands[0].payment_id)]
    page = await desk.page(answer.headers["location"])
    assert (page.status_code, "Payment under way" in page.text) == (200, True)
    forged = await desk.page(answer.headers["location"][:-1] + "A", "3")
    assert forged.status_code == 404


# ---- coming back


@pytest.mark.parametrize(("status", "told"), [("failed", True), ("canceled", True), ("pending", False), ("completed", False)])
async def test_only_a_payment_that_failed_is_told_as_failed(desk: Desk, status: str, told: bool) -> None:
    desk.view = {"status": status}
    page = await desk.page(f"{PAY}?error=payment_failed&session_id={new_id()}")
    assert ("The payment did not go through." in page.text) is told
    for query in ("", "&session_id=1", "&session_id=%00"):
        assert "did not go through" not in (await desk.page(f"{PAY}?error=payment_failed{query}")).text


async def test_nobody_is_shown_the_failure_of_another_session(desk: Desk) -> None:
    desk.view = {"status": "failed", "coaching_session_id": "9"}
    assert "did not go through" not in (await desk.page(f"{PAY}?error=payment_failed&session_id={new_id()}")).text
