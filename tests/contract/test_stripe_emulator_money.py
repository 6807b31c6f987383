"""Money that leaves Stripe's emulator: refunds that fail late, disputes, payouts; and amounts by Stripe's own table of currencies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import stripe

from tests.contract.stripe_emulator_world import LIBRARY_WARNINGS, StripeWorld, stripe_world

pytestmark = LIBRARY_WARNINGS


@pytest.fixture(scope="module")
async def shared_world() -> AsyncIterator[StripeWorld]:
    async with stripe_world() as world:
        yield world


@pytest.fixture
async def world(shared_world: StripeWorld) -> StripeWorld:
    await shared_world.calm()
    return shared_world


async def paid_charge(world: StripeWorld, method: str = "pm_card_visa", currency: str = "eur") -> str:
    """A paid charge of 1000, the word of which has been heard."""
    intent = await world.paid(method=method, currency=currency)
    await world.told()
    assert isinstance(intent.latest_charge, str)
    return intent.latest_charge


async def test_refunds_stay_within_what_was_taken(world: StripeWorld) -> None:
    charge = await paid_charge(world)
    refunds = world.client.v1.refunds
    first = await refunds.create_async(
        {"charge": charge, "amount": 300, "reason": "requested_by_customer", "metadata": {"refund_id": "r1"}}
    )
    assert (first.status, first.amount, first.charge) == ("succeeded", 300, charge)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await refunds.create_async({"charge": charge, "amount": 701})
    second = await refunds.create_async({"payment_intent": str(first.payment_intent)})
    assert second.amount == 700
    with pytest.raises(stripe.InvalidRequestError) as nothing_left:
        await refunds.create_async({"charge": charge})
    assert nothing_left.value.code == "charge_already_refunded"
    found = await world.client.v1.charges.retrieve_async(charge)
    assert (found.amount_refunded, found.refunded) == (1_000, True)
    assert [one.id for one in (await refunds.list_async({"charge": charge})).data] == [second.id, first.id]
    kept = (await refunds.retrieve_async(first.id)).metadata
    assert kept is not None
    assert kept.to_dict() == {"refund_id": "r1"}
    assert await world.told() == ["refund.created", "charge.refunded"] * 2
    unpaid = await world.intents.create_async({"amount": 1_000, "currency": "eur"})
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        await refunds.create_async({"payment_intent": unpaid.id})


async def test_a_refund_fails_after_it_succeeded(world: StripeWorld) -> None:
    charge = await paid_charge(world)
    refund = await world.client.v1.refunds.create_async({"charge": charge, "amount": 400})
    balance = world.emulator.control.balance()["eur"]
    await world.emulator.control.fail_refund(refund.id, "lost_or_stolen_card")
    failed = await world.client.v1.refunds.retrieve_async(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "lost_or_stolen_card")
    assert str(failed.failure_balance_transaction).startswith("txn_")
    assert (await world.client.v1.charges.retrieve_async(charge)).amount_refunded == 0
    assert world.emulator.control.balance()["eur"] == balance + 400
    assert await world.told() == ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated", "refund.failed"]


async def test_an_empty_balance_makes_a_refund_wait(world: StripeWorld) -> None:
    charge = await paid_charge(world, currency="chf")
    await world.emulator.control.adjust_balance("chf", -world.emulator.control.balance()["chf"])
    waiting = await world.client.v1.refunds.create_async({"charge": charge})
    assert (waiting.status, waiting.pending_reason) == ("pending", "insufficient_funds")
    await world.emulator.control.adjust_balance("chf", 1_000)
    assert (await world.client.v1.refunds.retrieve_async(waiting.id)).status == "succeeded"
    assert world.emulator.control.balance().get("chf", 0) == 0


async def test_the_cards_whose_refunds_are_odd_are_so_in_time(world: StripeWorld) -> None:
    await world.emulator.control.set_manners(settle_seconds=1.0)
    statuses = []
    for method in ("pm_card_pendingRefund", "pm_card_refundFail"):
        charge = await paid_charge(world, method=method)
        refund = await world.client.v1.refunds.create_async({"charge": charge})
        statuses.append([refund.status])
        await world.told()
        statuses[-1].append((await world.client.v1.refunds.retrieve_async(refund.id)).status)
    assert statuses == [["pending", "succeeded"], ["succeeded", "failed"]]


@pytest.mark.parametrize(("end", "status", "last"), [("win", "won", ["charge.dispute.funds_reinstated"]), ("lose", "lost", [])])
async def test_a_disputes_money_moves_when_it_is_withdrawn_and_reinstated(
    world: StripeWorld, end: str, status: str, last: list[str]
) -> None:
    charge = await paid_charge(world)
    before = world.emulator.control.balance()["eur"]
    dispute = await world.emulator.control.dispute(charge)
    assert (dispute.status, dispute.withdrawn, world.emulator.control.balance()["eur"]) == ("needs_response", True, before - 1_000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await world.client.v1.refunds.create_async({"charge": charge})
    assert refused.value.code == "charge_disputed"
    disputes = world.client.v1.disputes
    answered = await disputes.update_async(dispute.dispute, {"evidence": {"product_description": "a course"}, "submit": True})
    assert (answered.status, answered.evidence_details.submission_count) == ("under_review", 1)
    assert (await world.emulator.control.dispute(charge, end)).status == status
    assert (await disputes.retrieve_async(dispute.dispute)).status == status
    assert world.emulator.control.balance()["eur"] == (before if end == "win" else before - 1_000)
    opened = ["charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.updated"]
    assert await world.told() == [*opened, "charge.dispute.closed", *last]


async def test_an_inquiry_moves_no_money_unless_it_becomes_a_chargeback(world: StripeWorld) -> None:
    closed, escalated = [await paid_charge(world) for _ in range(2)]
    before = world.emulator.control.balance()["eur"]
    assert (await world.emulator.control.dispute(closed, "inquire")).status == "warning_needs_response"
    assert (await world.emulator.control.dispute(closed, "close_inquiry")).status == "warning_closed"
    assert world.emulator.control.balance()["eur"] == before
    await world.emulator.control.dispute(escalated, "inquire", 600)
    assert (await world.emulator.control.dispute(escalated, "escalate")).withdrawn
    assert world.emulator.control.balance()["eur"] == before - 600
    with pytest.raises(ValueError, match="no dispute"):
        await world.emulator.control.dispute(closed, "win")
    refunded = await paid_charge(world)
    await world.client.v1.refunds.create_async({"charge": refunded})
    with pytest.raises(ValueError, match="not refunded"):
        await world.emulator.control.dispute(refunded)


async def test_test_cards_dispute_by_themselves(world: StripeWorld) -> None:
    await world.paid(method="pm_card_createDispute")
    assert (await world.told())[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    await world.paid(method="pm_card_createDisputeInquiry")
    assert (await world.told())[-1] == "charge.dispute.created"


async def test_a_payout_is_paid_and_fails_after_that(world: StripeWorld) -> None:
    await world.emulator.control.adjust_balance("gbp", 5_000)
    payouts = world.client.v1.payouts
    with pytest.raises(stripe.InvalidRequestError) as too_much:
        await payouts.create_async({"amount": 5_001, "currency": "gbp"})
    assert too_much.value.code == "balance_insufficient"
    payout = await payouts.create_async({"amount": 5_000, "currency": "gbp"})
    for status in ("in_transit", "paid", "failed"):
        await world.emulator.control.move_payout(payout.id, status)
    failed = await payouts.retrieve_async(payout.id)
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert world.emulator.control.balance()["gbp"] == 5_000
    moved = ["payout.updated", "payout.updated", "payout.paid", "payout.updated", "payout.failed"]
    assert await world.told() == ["payout.created", *moved]
    canceled = await payouts.cancel_async((await payouts.create_async({"amount": 100, "currency": "gbp"})).id)
    assert canceled.status == "canceled"


@pytest.mark.parametrize(
    ("currency", "good", "bad", "code"),
    [
        ("eur", 50, 49, "amount_too_small"),
        ("eur", 99_999_999, 100_000_000, "amount_too_large"),
        ("jpy", 500, 49, "amount_too_small"),
        ("jpy", 9_999_999_999, 10_000_000_000, "amount_too_large"),
        ("huf", 17_501, 17_499, "amount_too_small"),
        ("isk", 500, 501, None),
        ("ugx", 500, 550, None),
        ("kwd", 5_120, 5_124, None),
        ("mga", 7, 0, "parameter_invalid_integer"),
        ("rsd", 12_345, -1, "parameter_invalid_integer"),
        ("idr", 999_999_999_999, 1_000_000_000_000, "amount_too_large"),
    ],
)
async def test_amounts_are_stripes_own_minor_units(world: StripeWorld, currency: str, good: int, bad: int, code: str | None) -> None:
    assert (await world.intents.create_async({"amount": good, "currency": currency})).amount == good
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await world.intents.create_async({"amount": bad, "currency": currency})
    assert (refused.value.code, refused.value.param) == (code, "amount")


async def test_currencies_are_lower_case_and_known(world: StripeWorld) -> None:
    for currency in ("EUR", "zzz"):
        params: Any = {"amount": 1_000, "currency": currency}
        with pytest.raises(stripe.InvalidRequestError, match="Invalid currency"):
            await world.intents.create_async(params)
    await world.emulator.control.adjust_balance("huf", 100_000)
    with pytest.raises(stripe.InvalidRequestError, match="divisible by 100"):
        await world.client.v1.payouts.create_async({"amount": 17_550, "currency": "huf"})
