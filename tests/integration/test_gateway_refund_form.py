"""Money sent back from a payment's page: who may, what is checked, and that one form makes one refund whatever is clicked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.gateway import receipts
from shared.contracts.base import new_id
from shared.contracts.payment_commands import CommandReply, InProgress
from shared.contracts.refunds import RefundMade, RefundPayment
from tests.integration.gateway_world import World, gateway_world, one_story, refused, silent
from tests.integration.pages_world import assert_nothing_inline, hidden
from tests.integration.payment_page_world import ADMIN, MENTOR, PATH, PAYER, STRANGER, Desk, refund_item, text_of, value_of

FORM = 'action="/en/payments/01a1ffcd-dd0d-7368-9c06-083710e6dff5/refund"'


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


@pytest.fixture
async def desk(running: World) -> AsyncIterator[Desk]:
    async with one_story(running) as story:
        yield Desk(story)


def refusing(code: str) -> Any:
    async def answer(command: RefundPayment) -> CommandReply[RefundMade]:
        return CommandReply(answer=refused(code, command))

    return answer


def outcome(page: httpx.Response) -> str:
    return " ".join(text_of(page, "outcome").split("columns")[0].split())


async def followed(desk: Desk, answer: httpx.Response, user_id: str = MENTOR) -> httpx.Response:
    assert answer.status_code == 303, answer.text
    return await desk.look(user_id, answer.headers["location"])


async def test_the_mentor_sends_a_part_back(desk: Desk) -> None:
    form = await desk.form()
    assert form["amount"] == "50.00", "all that can still go back, to begin with"
    page = await followed(desk, await desk.send({**form, "amount": "12,5", "reason": " <i>ill</i> "}))

    (order,) = desk.orders()
    assert (order.amount_minor, order.reason, order.requested_by, order.requested_by_admin) == (1_250, "<i>ill</i>", MENTOR, False)
    assert (order.force, order.manual_reference, order.payment_id) == (False, None, PATH.rpartition("/")[2])
    assert "RSD 12.50 has been sent back." in outcome(page)
    assert "&lt;i&gt;ill&lt;/i&gt;" in page.text
    assert value_of(page, "amount") == "37.50"
    assert_nothing_inline(page.text)


async def test_the_form_is_shown_to_whom_the_payment_was_made_and_to_admins(desk: Desk) -> None:
    shown = {who: FORM in (await desk.look(who)).text for who in (PAYER, MENTOR, ADMIN)}
    assert shown == {PAYER: False, MENTOR: True, ADMIN: True}
    assert 'name="force"' not in (await desk.look(MENTOR)).text
    for changes in ({"status": "pending", "credit_reference": None}, {"status": "disputed"}, {"status": "failed"}, {"status": "refunded"}):
        desk.changes = changes
        assert FORM not in (await desk.look(ADMIN)).text, changes


async def test_a_forged_form_is_refused_as_the_api_refuses(desk: Desk) -> None:
    desk.world.stand_ins.answers[RefundPayment] = refusing("forbidden")
    fields = {**hidden(await desk.look(PAYER)), "amount": "5", "idempotency_key": "k", "seen": ""}
    payer = await desk.send(fields, PAYER)
    stranger = await desk.send({**hidden(await desk.look(STRANGER)), "amount": "5", "idempotency_key": "k"}, STRANGER)
    without = await desk.send({"amount": "5", "idempotency_key": "k"})
    without_key = await desk.send({**fields, "idempotency_key": ""}, PAYER)

    assert [one.status_code for one in (payer, stranger, without, without_key)] == [403, 404, 403, 422]
    assert [order.requested_by for order in desk.orders()] == [PAYER], "payments itself has refused it"


async def test_without_a_script_a_page_asks_once_more(desk: Desk) -> None:
    form = await desk.form(ADMIN)
    asked = await desk.send({**form, "amount": "20", "force": "yes", "manual_reference": "PR-1", "confirmed": ""}, ADMIN)
    assert asked.status_code == 200
    assert desk.orders() == []
    assert "RSD\u00a020.00" in asked.text
    await followed(desk, await desk.send(hidden(asked), ADMIN), ADMIN)

    (order,) = desk.orders()
    assert (order.amount_minor, order.force, order.manual_reference, order.requested_by_admin) == (2_000, True, "PR-1", True)


async def test_clicked_twice_sent_again_and_reloaded_it_is_one_refund(desk: Desk) -> None:
    form = {**await desk.form(), "amount": "30"}
    first, second = await desk.send(form), await desk.send(form)
    assert first.headers["location"] == second.headers["location"]
    assert len({order.refund_id for order in desk.orders()}) == len(desk.refunds) == 1

    desk.world.stand_ins.answers[RefundPayment] = refusing("idempotency_key_in_use")
    third = await followed(desk, await desk.send(form))
    assert "RSD 30.00 has been sent back." in outcome(third), "the first click is still at it: that refund is the one told of"


async def test_what_is_wrong_stands_beside_its_field_and_what_was_entered_stays(desk: Desk) -> None:
    desk.refunds = [refund_item(1_000), refund_item(500, "pending"), refund_item(4_000, "failed", failure_reason="declined")]
    form = await desk.form(ADMIN)
    assert form["amount"] == "35.00", "neither what is back nor what is on its way back; what failed can go again"
    for amount in ("35.01", "1.234", "many", "0", "1.999"):
        answer = await desk.send({**form, "amount": amount, "reason": "because"}, ADMIN)
        assert (answer.status_code, value_of(answer, "amount"), value_of(answer, "reason")) == (422, amount, "because")
        assert 'aria-invalid="true" aria-describedby="amount-hint amount-error"' in answer.text
        assert '<a href="#amount">' in answer.text
    long = await desk.send({**form, "amount": "1", "reason": "x" * 501, "manual_reference": "ключ"}, ADMIN)
    assert (long.status_code, 'id="reason-error"' in long.text, 'id="manual_reference-error"' in long.text) == (422, True, True)
    assert desk.orders() == []


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("insufficient_funds", 409, "There is not enough on the balance"),
        ("refund_exceeds_payment", 409, "more than can still go back"),
        ("payment_disputed", 400, "the bank decides"),
        ("refund_not_supported", 422, "takes no orders"),
        ("refund_reference_reused", 409, "recorded already"),
        ("idempotency_key_reused", 422, "sent before with other values"),
    ],
)
async def test_why_it_is_refused_is_said_in_words_and_the_form_can_be_sent_anew(desk: Desk, code: str, status: int, words: str) -> None:
    desk.world.stand_ins.answers[RefundPayment] = refusing(code)
    form = await desk.form()
    answer = await desk.send({**form, "amount": "20"})
    assert (answer.status_code, value_of(answer, "amount")) == (status, "20")
    assert words in text_of(answer, "errors")
    assert hidden(answer)["idempotency_key"] != form["idempotency_key"], "the same key would only bring the same refusal"


@pytest.mark.parametrize(
    ("refund", "words"),
    [
        (refund_item(700, "pending"), "RSD 7.00 is on its way back"),
        (
            refund_item(700, "failed", failure_reason="expired_or_canceled_card"),
            "the money is where it was before. expired or canceled card",
        ),
        (refund_item(700, "failed", failure_reason="insufficient_funds"), "There is not enough on the balance"),
    ],
)
async def test_what_became_of_it_is_told_as_it_is_stored(desk: Desk, refund: Any, words: str) -> None:
    desk.refunds = [refund]
    assert words in outcome(await desk.look(MENTOR, f"{PATH}?refund={refund.refund_id}"))
    of_another = await desk.look(MENTOR, f"{PATH}?refund={new_id()}")
    assert 'class="told"' not in of_another.text, "the address alone makes no refund"


@pytest.mark.parametrize("how", ["silent", "in progress"])
async def test_a_slow_refund_is_told_as_accepted_and_never_as_lost(desk: Desk, how: str) -> None:
    async def in_progress(command: RefundPayment) -> CommandReply[RefundMade]:
        return CommandReply(answer=InProgress(resource_id=command.refund_id))

    desk.world.stand_ins.answers[RefundPayment] = silent if how == "silent" else in_progress
    answer = await desk.send(await desk.form())
    page = await followed(desk, answer)
    assert "The refund has been accepted" in outcome(page)
    assert "data-waiting" in page.text
    stranger = await desk.look(PAYER, answer.headers["location"])
    assert "The refund has been accepted" not in stranger.text, "the receipt is its caller's"


async def test_a_refund_that_never_arrived_is_told_when_its_time_is_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.world.stand_ins.answers[RefundPayment] = silent
    answer = await desk.send(await desk.form())
    monkeypatch.setattr("services.gateway.receipts.GRACE", -receipts.GRACE * 10)
    assert "did not arrive" in outcome(await followed(desk, answer))


async def test_two_tabs_do_not_send_half_of_it_twice(desk: Desk) -> None:
    one_tab, other_tab = {**await desk.form(), "amount": "20"}, {**await desk.form(), "amount": "20"}
    assert (await desk.send(one_tab)).status_code == 303
    late = await desk.send(other_tab)
    assert late.status_code == 409
    assert "Meanwhile another refund was made" in text_of(late, "errors")
    assert len(desk.refunds) == 1
    again = await desk.send({**hidden(late), "amount": "20", "confirmed": "yes"})
    assert (again.status_code, len(desk.refunds)) == (303, 2), "having seen it, they may mean it"


async def test_a_method_that_is_off_for_new_payments_may_still_send_money_back(desk: Desk) -> None:
    desk.changes = {"method": "allsecure"}
    assert FORM in (await desk.look(MENTOR)).text, "whether it can is for payments to decide"
