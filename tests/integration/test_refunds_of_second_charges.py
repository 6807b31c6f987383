"""Refunds that are made at the provider's own site of a charge that is not the payment's own: nobody who did not have it gives it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from services.payments.domain.payments import Payment
from shared.contracts.base import new_id
from tests.integration.operators_world import OperatorsWorld, a_charge, operators_world
from tests.integration.refunds_world import refund_event


@pytest.fixture(scope="module")
async def world(module_database_url: str) -> AsyncIterator[OperatorsWorld]:
    async with operators_world(module_database_url) as world:
        yield world


async def second_charge(world: OperatorsWorld, payment: Payment, **data: Any) -> tuple[Payment, Any]:
    """The payment as the provider tells of its second charge, and the item that keeps it."""
    charge = f"ch_{new_id().hex}"
    assert payment.session_id is not None
    await world.tell(a_charge(payment.session_id, charge=charge, **data))
    await world.resume()
    (item,) = await world.items(payment.payment_id)
    return replace(payment, charge_reference=charge), item


async def test_the_mentor_does_not_give_back_what_the_payer_had_paid_twice(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid(kind="payment", fee_minor=500)
    second, item = await second_charge(world, payment)
    assert (item.status, item.assigned_user_id) == ("assigned", payment.user_id)

    assert await world.tell(refund_event(second, 5_000)) == ["applied"]
    await world.refunds.resume()

    assert await world.refunds.available(payment.mentor_id) == (4_500, 0)
    assert await world.refunds.back(payment) == (0, 0), "the payment is paid as it was"
    moved = await world.refunds.moved(payment)
    assert (moved["loss:platform"], moved[f"user:{payment.user_id}"]) == (-5_000, 5_000), "an operator sees to it that the payer returns it"


async def test_what_waits_in_suspense_and_is_sent_back_at_the_providers_site_is_settled_by_that(world: OperatorsWorld) -> None:
    payment = await world.refunds.paid()
    second, item = await second_charge(world, payment, currency="eur")
    assert (item.status, item.reason) == ("open", "currency_mismatch")
    event = refund_event(second, 5_000, currency="eur", reference="re_elsewhere")

    assert await world.tell(event) == ["applied"]
    assert await world.decide(item.item_id, "write_off", reference="r", reason="r") == "suspense_item_decided"
    await world.resume()
    again = refund_event(second, 5_000, currency="eur", reference="re_elsewhere")
    assert await world.tell(again) == ["unchanged"]

    now = await world.item(item.item_id)
    assert (now.status, now.decided_by) == ("refunded", "system")
    assert await world.account("suspense", currency="eur") == await world.account("clearing", currency="eur") == 0
    assert await world.refunds.back(payment) == (0, 0)
    assert await world.audited(f"suspense:{item.item_id}") == [("system", "suspense.refund")]

    failed = refund_event(second, 5_000, currency="eur", reference="re_elsewhere", status="failed")
    assert await world.tell(failed) == ["applied"]
    await world.resume()
    assert [one.reason for one in await world.items(payment.payment_id)] == ["currency_mismatch", "refund_failed"]
