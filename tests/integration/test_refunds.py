"""A refund from its request to its end: who may ask, what is taken from whom, what is answered, and what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared import postgres
from shared.contracts.base import new_id
from shared.contracts.payment_commands import InProgress, Refused
from shared.contracts.refunds import GetRefund, ListRefunds, RefundMade, RefundPage, RefundRefused, RefundView
from tests.integration.refunds_world import RefundsWorld, command, refunds_world, together


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[RefundsWorld]:
    async with refunds_world(module_database_url) as made:
        yield made


async def test_a_top_up_goes_back_from_its_payers_balance(world: RefundsWorld) -> None:
    payment = await world.paid(5000)

    first = await world.refund(payment, 2000, reason="half of it")
    rest = await world.refund(payment)

    assert (first.refund_status, first.status, first.refunded_amount_minor, first.amount_minor) == (
        "succeeded", "partially_refunded", 2000, 2000,
    )  # fmt: skip
    assert (rest.refund_status, rest.status, rest.refunded_amount_minor, rest.amount_minor) == ("succeeded", "refunded", 5000, 3000)
    assert await world.available(payment.user_id) == (0, 0)
    assert await world.moved(payment) == {}, "all of it is where it came from"
    assert await world.back(payment) == (0, 5000)
    assert await world.frames_of(payment) == [("partially_refunded", 2000), ("refunded", 5000)]


async def test_a_session_goes_back_from_its_mentor_and_the_fee_in_proportion(world: RefundsWorld) -> None:
    payment = await world.paid(1001, kind="payment", fee_minor=101)

    for amount in (500, 400, 101):
        assert (await world.refund(payment, amount, requested_by=payment.mentor_id)).refund_status == "succeeded"

    assert [refund.fee_minor for refund in await world.refunds_of(payment)] == [50, 40, 11]
    assert await world.available(payment.mentor_id) == (0, 0)
    assert await world.moved(payment) == {}


@pytest.mark.parametrize(("currency", "amount_minor"), [("jpy", 5000), ("kwd", 5001)])
async def test_minor_units_are_the_currencys_own(world: RefundsWorld, currency: str, amount_minor: int) -> None:
    payment = await world.paid(amount_minor, currency)

    made = await world.refund(payment, 1)

    assert (made.amount_minor, made.currency, made.status) == (1, currency, "partially_refunded")
    assert await world.available(payment.user_id, currency) == (amount_minor - 1, 0)


async def test_what_was_paid_from_a_balance_goes_back_to_it_in_one_set(world: RefundsWorld) -> None:
    payer, mentor = world.somebody(), world.somebody()
    await world.paid(8000, user_id=payer)
    payment = await world.paid(5000, kind="payment", fee_minor=500, provider="balance", user_id=payer, mentor_id=mentor, credited=False)
    await world.pay_from_balance(payment)
    assert (await world.available(payer), await world.available(mentor)) == ((3000, 0), (4500, 0))

    made = await world.refund(payment, 2000, requested_by=mentor)
    await world.refund(payment, requested_by=mentor)

    assert (made.refund_status, made.status) == ("succeeded", "partially_refunded")
    assert (await world.available(payer), await world.available(mentor)) == ((8000, 0), (0, 0))
    assert await world.moved(payment) == {}
    assert payment.payment_id not in {order.payment_id for order in world.provider.sent}, "no provider was asked"


async def test_a_balance_that_does_not_cover_it_keeps_the_refund_as_failed_and_frees_the_sum(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    await world.spend(payment.user_id, 1000)
    sent = len(world.provider.sent)

    first = await world.ask(payment, key="key-poor")
    again = await world.ask(payment, key="key-poor")

    assert isinstance(first.answer, Refused)
    assert (first.answer.code, again.answer, again.replayed) == ("insufficient_funds", first.answer, True)
    (refund,) = await world.refunds_of(payment)
    assert (refund.status, refund.failure_reason) == ("failed", "insufficient_funds")
    assert await world.back(payment) == (0, 0)
    assert await world.available(payment.user_id) == (4000, 1000)
    assert len(world.provider.sent) == sent
    assert (await world.refund(payment, 4000)).refund_status == "succeeded", "what is there can still go back"


async def test_who_may_ask_for_it(world: RefundsWorld) -> None:
    payment = await world.paid(5000, kind="payment")
    top_up = await world.paid(5000)

    assert await world.refused(payment, requested_by=payment.user_id) == "forbidden"
    assert await world.refused(payment, requested_by=world.somebody()) == "payment_not_found"
    assert await world.refused(top_up, requested_by=top_up.user_id) == "forbidden"
    assert await world.refused(payment, requested_by=payment.mentor_id, force=True) == "forbidden"
    assert await world.refused(payment, requested_by=payment.mentor_id, manual_reference="bank-1") == "forbidden"
    for unknown in (str(new_id()), "not-an-id"):
        reply = await world.requests.request(command(unknown))
        assert isinstance(reply.answer, Refused)
        assert reply.answer.code == "payment_not_found"
    assert await world.refunds_of(payment) == []


async def test_what_cannot_go_back(world: RefundsWorld) -> None:
    unpaid, paid = await world.payments.deposit(), await world.paid(5000)

    reply = await world.requests.request(command(unpaid.payment_id))
    assert isinstance(reply.answer, Refused)
    assert reply.answer.code == "payment_not_refundable"
    assert await world.refused(paid, amount_minor=5001) == "refund_exceeds_payment"
    await world.refund(paid)
    assert await world.refused(paid) == "already_refunded"
    assert await world.refused(paid, amount_minor=1) == "already_refunded"
    for dispute, code in (("open", "payment_disputed"), ("lost", "payment_disputed"), ("won", None)):
        disputed = await world.paid(5000)
        await world.payments.rows(
            "update payments.payments set dispute_status = $2 where payment_id = $1 returning 1", disputed.payment_id, dispute
        )
        if code is None:
            assert (await world.refund(disputed)).status == "refunded"
        else:
            assert await world.refused(disputed) == code


async def test_a_provider_that_cannot_send_money_back_is_said_and_the_record_made_by_hand(world: RefundsWorld) -> None:
    payment = await world.paid(5000, provider="prodamus")
    await world.spend(payment.user_id, 4000)

    refused = (await world.ask(payment)).answer
    made = await world.refund(payment, 3000, manual_reference="bank-77")

    assert isinstance(refused, Refused)
    assert (refused.code, refused.detail.partition(";")[0]) == ("refund_not_supported", "prodamus has no operation refund")
    assert (made.refund_status, made.status) == ("succeeded", "partially_refunded")
    (refund,) = await world.refunds_of(payment)
    assert (refund.origin, refund.forced, refund.held_minor, refund.loss_minor) == ("manual", True, 1000, 2000)
    assert await world.moved(payment) == {
        f"user:{payment.user_id}": 4000, "clearing:prodamus": -2000, "loss:platform": -2000,
    }  # fmt: skip
    assert await world.refused(payment, manual_reference="bank-77") == "refund_reference_reused"
    assert await world.audited(made.refund_id) == [("user:9", "refund.record")]


async def test_a_repeat_under_the_same_key_is_the_same_refund(world: RefundsWorld) -> None:
    """blnk #152: a refund that is asked for again is not made again."""
    payment = await world.paid(5000)

    answers = await together(*(world.ask(payment, amount_minor=2000, key="key-1") for _ in range(10)))
    later = await world.ask(payment, amount_minor=2000, key="key-1")

    assert {type(answer.answer) for answer in answers} == {RefundMade}
    assert all(answer.answer == later.answer for answer in answers)
    assert later.replayed
    assert await world.back(payment) == (0, 2000)
    assert len(await world.refunds_of(payment)) == 1


async def test_the_same_command_delivered_twice_is_one_refund(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    asked = command(payment.payment_id, amount_minor=2000)

    first, second = await together(world.requests.request(asked), world.requests.request(asked))

    assert isinstance(first.answer, RefundMade)
    assert first.answer == second.answer
    assert await world.back(payment) == (0, 2000)


async def test_an_external_id_is_used_once_and_freed_by_failure(world: RefundsWorld) -> None:
    payment = await world.paid(5000)

    declined = await world.refund(payment, 1000, external_id="r-1", reason="mock:decline")
    made = await world.refund(payment, 1000, external_id="r-1", metadata={"ticket": "42"})

    assert (declined.refund_status, declined.failure_reason) == ("failed", "declined by the mock")
    assert (made.refund_status, made.external_id, made.metadata) == ("succeeded", "r-1", {"ticket": "42"})
    assert await world.refused(payment, amount_minor=1000, external_id="r-1") == "external_id_reused"
    assert await world.back(payment) == (0, 1000)


async def test_it_waits_for_a_credit_that_is_still_on_its_way(world: RefundsWorld) -> None:
    payment = await world.paid(5000, credited=False)

    reply = await world.ask(payment, key="key-early")
    assert isinstance(reply.answer, InProgress)
    await world.credit(payment)
    await world.resume()

    answered = await world.ask(payment, key="key-early")
    assert isinstance(answered.answer, RefundMade)
    assert (answered.answer.refund_id, answered.answer.status) == (reply.answer.resource_id, "refunded")
    assert await world.available(payment.user_id) == (0, 0)


async def test_what_its_viewers_see(world: RefundsWorld) -> None:
    payment = await world.paid(5000, kind="payment")
    first = await world.refund(payment, 1000, external_id="r-2")
    second = await world.refund(payment, 500, reason="mock:decline")
    other = await world.paid(5000)

    for viewer, admin in ((payment.user_id, False), (payment.mentor_id, False), ("9", True)):
        asked = {"correlation_id": "q", "payment_id": str(payment.payment_id), "viewer_user_id": viewer, "viewer_is_admin": admin}
        one = await world.views.one(GetRefund(refund_id=str(first.refund_id), **asked))
        assert isinstance(one, RefundView)
        assert (one.refund.refund_status, one.status, one.refunded_amount_minor) == ("succeeded", "partially_refunded", 1000)
        newest = await world.views.page(ListRefunds(limit=1, **asked))
        assert isinstance(newest, RefundPage)
        oldest = await world.views.page(ListRefunds(limit=1, cursor=newest.next_cursor, **asked))
        assert isinstance(oldest, RefundPage)
        assert [item.refund_id for page in (newest, oldest) for item in page.items] == [second.refund_id, first.refund_id]
        assert oldest.next_cursor is None
        named = await world.views.page(ListRefunds(external_id="r-2", **asked))
        assert isinstance(named, RefundPage)
        assert [item.refund_id for item in named.items] == [first.refund_id]
        wrong = await world.views.page(ListRefunds(cursor="bm8", **asked))
        assert isinstance(wrong, Refused)
        assert wrong.code == "invalid_cursor"
    stranger = {"correlation_id": "q", "viewer_user_id": world.somebody()}
    for payment_id, refund_id in (
        (payment.payment_id, first.refund_id), (other.payment_id, first.refund_id), ("x", "y"), (payment.payment_id, new_id()),
    ):  # fmt: skip
        hidden = await world.views.one(GetRefund(payment_id=str(payment_id), refund_id=str(refund_id), **stranger))
        assert isinstance(hidden, Refused)
        assert hidden.code == "refund_not_found"
    listed = await world.views.page(ListRefunds(payment_id=str(payment.payment_id), **stranger))
    assert isinstance(listed, Refused)
    assert listed.code == "payment_not_found"


async def test_a_refused_request_is_shown_to_whoever_made_it_and_listed_nowhere(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    for asker, code in ((world.somebody(), "payment_not_found"), (str(payment.user_id), "forbidden")):
        asked = command(payment.payment_id, requested_by=asker)
        await world.requests.request(asked)
        view = await world.views.one(
            GetRefund(correlation_id="q", payment_id=asked.payment_id, refund_id=str(asked.refund_id), viewer_user_id=asker)
        )
        assert isinstance(view, RefundRefused)
        assert view.problem.code == code
    assert await world.refunds_of(payment) == []
    assert await world.back(payment) == (0, 0)


async def test_a_command_that_comes_too_late_leaves_no_trace(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    asked = command(payment.payment_id)
    late = asked.model_copy(update={"deadline": asked.occurred_at})

    reply = await world.requests.request(late)

    assert isinstance(reply.answer, Refused)
    assert reply.answer.code == "deadline_passed"
    async with postgres.connection(world.payments.pool) as db:
        assert await db.fetchval("select count(*) from payments.refunds where refund_id = $1", late.refund_id) == 0
    assert await world.back(payment) == (0, 0)
