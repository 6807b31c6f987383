"""What a provider tells of refunds: those that end later, those that fail after they succeeded, and those that nobody asked for here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from services.payments.domain.refunds import State
from shared.contracts.base import new_id
from shared.contracts.payment_commands import InProgress
from shared.contracts.wallet_commands import ReleaseHold, SettleHold
from shared.delivery.errors import NotYet
from tests.integration.refunds_world import RefundsWorld, refund_event, refunds_world


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[RefundsWorld]:
    async with refunds_world(module_database_url) as made:
        yield made


def alerts() -> float:
    return REGISTRY.get_sample_value("purser_refunds_elsewhere_total", {"provider": "mock"}) or 0


async def test_a_pending_refund_is_answered_as_such_and_ends_with_its_event(world: RefundsWorld) -> None:
    payment = await world.paid(5000)

    made = await world.refund(payment, 2000, reason="mock:pending", key="key-pending")
    assert (made.refund_status, made.status, made.refunded_amount_minor) == ("pending", "completed", 0)
    assert await world.available(payment.user_id) == (3000, 2000)
    assert await world.back(payment) == (2000, 0)
    (event,) = await world.due_events(payment)
    assert await world.tell(event, event) == ["applied", "applied"]
    await world.resume()

    assert await world.back(payment) == (0, 2000)
    assert await world.available(payment.user_id) == (3000, 0)
    assert await world.frames_of(payment) == [("partially_refunded", 2000)]
    assert await world.due_events(payment) == [], "told once"
    again = await world.refund(payment, 2000, reason="mock:pending", key="key-pending")
    assert again.refund_status == "pending", "a kept answer stays as it was; the refund itself tells the rest"


async def test_a_pending_refund_whose_event_was_lost_is_asked_about(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    made = await world.refund(payment, reason="mock:pending")
    await world.resume()
    assert (await world.row(made.refund_id)).state is State.PENDING
    await world.payments.rows(
        "update payments.mock_refunds set settles_at = clock_timestamp() where refund_id = $1 returning 1", made.refund_id
    )
    await world.resume()

    assert (await world.row(made.refund_id)).state is State.SUCCEEDED
    assert await world.back(payment) == (0, 5000)


async def test_a_success_that_is_told_after_the_failure_that_followed_it_takes_nothing(world: RefundsWorld) -> None:
    """The webhooks are late, in either order; meanwhile the provider was asked, and had it as failed."""
    for events in (("succeeded",), ("failed", "succeeded")):
        payment = await world.paid(5000)
        made = await world.refund(payment, reason="mock:pending")
        await world.payments.rows(
            "update payments.mock_refunds set settles_at = now(), fails_at = clock_timestamp() where refund_id = $1 returning 1",
            made.refund_id,
        )
        await world.resume()
        assert (await world.row(made.refund_id)).state is State.FAILED
        reference = (await world.row(made.refund_id)).provider_reference or ""
        seconds = {"succeeded": -20.0, "failed": -10.0}
        for told in events:
            event = refund_event(payment, 5000, refund_id=made.refund_id, reference=reference, status=told, seconds=seconds[told])
            assert await world.tell(event) == ["unchanged"]
        await world.resume()

        assert await world.available(payment.user_id) == (5000, 0)
        assert await world.back(payment) == (0, 0)


async def test_a_refund_that_fails_after_success_goes_back_as_it_was_taken(world: RefundsWorld) -> None:
    payment = await world.paid(5000, kind="payment", fee_minor=500)
    spent = await world.spend(payment.mentor_id, 3500)
    made = await world.refund(payment, force=True, reason="mock:fail-later")
    assert (made.refund_status, made.status) == ("succeeded", "refunded")
    assert await world.available(payment.mentor_id) == (0, 3500)
    assert await world.moved(payment) == {f"user:{payment.mentor_id}": 3500, "loss:platform": -3500}

    (event,) = await world.due_events(payment)
    assert await world.tell(event) == ["applied"]
    await world.resume()

    refund = await world.row(made.refund_id)
    assert (refund.status, refund.failure_reason) == ("failed", "the payer's bank sent it back")
    assert await world.moved(payment) == {f"user:{payment.mentor_id}": 4500, "fees:platform": 500, "clearing:mock": -5000}
    assert await world.available(payment.mentor_id) == (1000, 3500)
    assert await world.back(payment) == (0, 0)
    assert await world.frames_of(payment) == [("refunded", 5000), ("completed", 0)]
    await world.ledger.release(ReleaseHold(correlation_id="c", reference=spent))
    assert (await world.refund(payment)).status == "refunded", "it can be refunded again"
    assert await world.moved(payment) == {}


async def test_a_failure_that_is_told_while_wallet_settles_is_settled_then_reversed(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    world.ledger.unheard[SettleHold] = 1
    reply = await world.ask(payment)
    assert isinstance(reply.answer, InProgress)
    refund_id = reply.answer.resource_id

    assert await world.tell(refund_event(payment, 5000, refund_id=refund_id, status="failed", reference="re_x")) == ["applied"]
    await world.resume()

    assert (await world.row(refund_id)).state is State.FAILED
    assert await world.available(payment.user_id) == (5000, 0)
    assert await world.back(payment) == (0, 0)


async def test_what_is_told_late_or_twice_changes_nothing(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    made = await world.refund(payment, reason="mock:pending")
    failed = refund_event(payment, 5000, refund_id=made.refund_id, status="failed", seconds=5)
    succeeded = refund_event(payment, 5000, refund_id=made.refund_id, status="succeeded", seconds=1)
    pending = refund_event(payment, 5000, refund_id=made.refund_id, status="pending", seconds=0)

    assert await world.tell(failed) == ["applied"]
    assert await world.tell(succeeded, pending) == ["unchanged", "unchanged"], "older than what is known"
    await world.resume()
    assert await world.tell(succeeded) == ["unchanged"]

    assert (await world.row(made.refund_id)).state is State.FAILED
    assert await world.available(payment.user_id) == (5000, 0)
    assert len(await world.refunds_of(payment)) == 1


async def test_an_event_before_the_answer_it_belongs_to_is_the_answer(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    world.provider.unheard = 1
    reply = await world.ask(payment, amount_minor=2000)
    assert isinstance(reply.answer, InProgress)
    elsewhere = alerts()

    # A provider that does not repeat our id is not taken for somebody else's refund.
    with pytest.raises(NotYet):
        await world.settlement.handle([refund_event(payment, 2000)])
    assert await world.tell(refund_event(payment, 2000, refund_id=reply.answer.resource_id, reference="re_y")) == ["applied"]
    await world.resume()

    assert (await world.row(reply.answer.resource_id)).provider_reference == "re_y"
    assert await world.tell(refund_event(payment, 2000, reference="re_y")) == ["unchanged"], "known by its own reference now"
    assert await world.back(payment) == (0, 2000)
    assert alerts() == elsewhere


async def test_a_refund_made_at_the_providers_own_site_is_booked_like_a_forced_one_and_alerted(world: RefundsWorld) -> None:
    payment = await world.paid(5000, kind="payment", fee_minor=500)
    await world.spend(payment.mentor_id, 2500)
    world.withdrawals.holds = [(await world.spend(payment.mentor_id, 1000), 1000)]
    before, sent = alerts(), len(world.provider.sent)
    event = refund_event(payment, 3000, reference="re_site")

    assert await world.tell(event) == ["applied"]
    assert await world.tell(event, refund_event(payment, 3000, reference="re_site")) == ["applied", "unchanged"], "under way"
    await world.resume()
    assert await world.tell(refund_event(payment, 3000, reference="re_site")) == ["unchanged"], "known"

    (refund,) = await world.refunds_of(payment)
    assert (refund.state, refund.origin, refund.forced, refund.fee_minor) == (State.SUCCEEDED, "provider", True, 300)
    assert (refund.held_minor, refund.loss_minor) == (2000, 700), "the withdrawal gave way, the platform bears what is missing"
    assert await world.back(payment) == (0, 3000)
    assert await world.frames_of(payment) == [("partially_refunded", 3000)]
    assert await world.audited(refund.refund_id) == [("system", "refund.elsewhere")]
    assert (alerts(), len(world.provider.sent)) == (before + 1, sent)


async def test_one_made_there_whose_failure_is_told_before_its_success_takes_nothing(world: RefundsWorld) -> None:
    """The webhook of its success is late, or comes only when somebody sends it again; or both are told in one breath."""
    for seconds, at_once in ((-20, False), (-0.1, False), (-20, True)):
        payment, reference = await world.paid(5000), f"re_{new_id().hex}"
        failed = refund_event(payment, 2000, reference=reference, status="failed")
        late = refund_event(payment, 2000, reference=reference, seconds=seconds)
        if at_once:
            assert await world.tell(failed, late) == ["applied", "unchanged"]
        else:
            assert [await world.tell(failed), await world.tell(late)] == [["applied"], ["unchanged"]]
        await world.resume()

        assert await world.available(payment.user_id) == (5000, 0)
        assert await world.back(payment) == (0, 0)
        assert [(one.state, one.origin, one.told_minor) for one in await world.refunds_of(payment)] == [(State.FAILED, "provider", 2000)]


async def test_what_a_provider_sends_back_beyond_all_that_was_left_is_the_platforms_loss(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    await world.refund(payment, 4000)

    for amount in (1500, 700):
        assert await world.tell(refund_event(payment, amount)) == ["applied"]
        await world.resume()

    assert [(refund.money.amount_minor, refund.excess_minor) for refund in await world.refunds_of(payment)] == [
        (4000, 0), (1000, 500), (0, 700),
    ]  # fmt: skip
    assert await world.back(payment) == (0, 5000)
    assert await world.available(payment.user_id) == (0, 0)
    assert await world.moved(payment) == {"loss:platform": -1200, "clearing:mock": 1200}


async def test_one_that_stands_in_the_place_of_another_waits_until_that_has_ended(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    made = await world.refund(payment, 4000, reason="mock:pending")

    with pytest.raises(NotYet):
        await world.settlement.handle([refund_event(payment, 2000)])
    await world.tell(refund_event(payment, 4000, refund_id=made.refund_id, status="failed"))
    await world.resume()
    assert await world.tell(refund_event(payment, 2000)) == ["applied"]
    await world.resume()

    assert await world.back(payment) == (0, 2000)
    assert await world.available(payment.user_id) == (3000, 0)


async def test_money_that_left_after_all_is_booked_though_the_refund_was_declined(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    made = await world.refund(payment, 2000, reason="mock:decline")
    assert made.refund_status == "failed"

    assert await world.tell(refund_event(payment, 2000, refund_id=made.refund_id, reference="re_after")) == ["applied"]
    await world.resume()

    assert [(r.origin, r.status) for r in await world.refunds_of(payment)] == [("request", "failed"), ("provider", "succeeded")]
    assert await world.back(payment) == (0, 2000)


async def test_what_fits_nothing_moves_nothing(world: RefundsWorld) -> None:
    payment = await world.paid(5000)
    made = await world.refund(payment, 2000)
    strangers = await world.paid(5000)
    unpaid = await world.payments.deposit()

    assert await world.tell(
        refund_event(payment, 1999, refund_id=made.refund_id),
        refund_event(payment, 2000, refund_id=made.refund_id, currency="eur"),
        refund_event(payment, 1000, currency="eur"),
        refund_event(strangers, 1000, refund_id=new_id()),
        refund_event(payment, 1000, status="failed", currency="eur"),
        refund_event(payment, 1000, status="pending"),
    ) == ["refund_mismatch", "refund_mismatch", "currency_mismatch", "unknown_refund", "currency_mismatch", "unchanged"]
    lost = refund_event(payment, 1000)
    elsewhere = lost.body.replace(str(payment.session_id).encode(), str(new_id()).encode())
    assert (await world.settlement.handle([lost.model_copy(update={"body": elsewhere})])) == []
    not_paid = refund_event(payment, 1000)
    early = not_paid.body.replace(str(payment.session_id).encode(), str(unpaid.session_id).encode())
    with pytest.raises(NotYet):
        await world.settlement.handle([not_paid.model_copy(update={"body": early})])

    assert await world.back(payment) == (0, 2000)
    assert await world.back(strangers) == (0, 0)
    assert len(await world.refunds_of(payment)) == 1
