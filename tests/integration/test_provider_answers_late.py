"""A provider's answer that comes when the payment has ended, or when another delivery of the same request has had another answer."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.payments.domain.facts import Paid
from services.payments.domain.payments import Payment
from services.payments.providers.base import Created, Payer, Rejected, Unknown
from services.payments.store import payments as payment_store
from shared.contracts.base import utc_now
from shared.contracts.intents import CancelPayment
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.delivery.errors import NotYet
from shared.money import Money
from shared.postgres import Connection
from tests.integration.payments_world import deposit_command, payments_world, sameness
from tests.integration.scripted_provider import ScriptedProvider
from tests.integration.test_provider_answers import status


def cancel_command(payment_id: object) -> CancelPayment:
    return CancelPayment(
        correlation_id="request-4",
        idempotency=sameness(operation="POST /api/v1/payments/{payment_id}/cancel"),
        deadline=utc_now() + timedelta(seconds=60),
        payment_id=str(payment_id),
        user_id="1",
    )


@pytest.mark.parametrize("end", ["canceled", "expired"])
async def test_nobody_is_sent_to_pay_what_ended_while_the_provider_was_silent(fresh_database_url: str, end: str) -> None:
    """The request is repeated under its key, or by the queue: a session of a payment that is over would be paid, and nobody would ask."""
    stripe = ScriptedProvider(created=Unknown())
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe", idempotency=sameness("key-1"))
        with pytest.raises(NotYet):
            await world.deposits.create(command)
        if end == "canceled":
            await world.confirming.cancel(cancel_command(command.payment_id))
        else:
            await world.rows("update payments.payments set expires_at = now() returning 1")
        stripe.created = None
        answer = (await world.deposits.create(command)).answer

        assert isinstance(answer, Refused)
        assert (answer.code, answer.detail) == ("session_final", f"The payment is {end}; it can be made anew.")
        assert len(stripe.creations) == 1
        assert (await world.deposits.create(deposit_command(method="stripe", idempotency=sameness("key-1")))).answer == answer


async def test_nobody_is_sent_to_pay_what_ended_while_the_provider_was_asked(fresh_database_url: str) -> None:
    class Slow(ScriptedProvider):
        async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
            await world.confirming.cancel(cancel_command(payment.payment_id))
            return await super().create(payment, payer, again=again)

    stripe = Slow()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe")
        answer = (await world.deposits.create(command)).answer

        assert isinstance(answer, Refused)
        assert answer.code == "session_final"
        assert await status(world, command.payment_id) == "canceled"
        (row,) = await world.rows("select sealed_url, client_secret, provider_reference from payments.payments")
        assert set(row.values()) == {None}


async def test_a_command_delivered_twice_at_once_says_that_the_session_may_be_there(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else AllSecure would take the first one's session for one whose page nobody has, and reject it."""
    stripe = ScriptedProvider(created=Unknown())
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe")
        with pytest.raises(NotYet):
            await world.deposits.create(command)
        found = payment_store.find_payment
        unseen = [None]

        async def find_payment(db: Connection, payment_id: UUID) -> Payment | None:
            return unseen.pop() if unseen else await found(db, payment_id)

        monkeypatch.setattr(payment_store, "find_payment", find_payment)
        with pytest.raises(NotYet):
            await world.deposits.create(command)
        assert [again for _, _, again in stripe.creations] == [False, True]


async def test_what_is_rejected_after_it_was_opened_is_not_told_to_be(fresh_database_url: str) -> None:
    class Twofold(ScriptedProvider):
        async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
            if not again:
                await world.deposits.create(command)
                return Rejected("it has it already")
            return await super().create(payment, payer, again=again)

    stripe = Twofold()
    async with payments_world(fresh_database_url, enabled=("stripe",), more=[stripe]) as world:
        command = deposit_command(method="stripe")
        with pytest.raises(NotYet):
            await world.deposits.create(command)
        assert isinstance((await world.deposits.create(command)).answer, DepositCreated)
        assert await status(world, command.payment_id) == "pending"


async def test_money_that_comes_for_what_was_rejected_is_kept_and_goes_back_from_there(fresh_database_url: str) -> None:
    """A hosted page's address was lost, and somebody has paid there all the same."""
    allsecure = ScriptedProvider(name="allsecure", created=Rejected("please start again"))
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[allsecure]) as world:
        command = deposit_command(method="allsecure")
        await world.deposits.create(command)
        (row,) = await world.rows("select session_id from payments.payments")
        await world.settlement.handle([allsecure.event(Paid(row["session_id"], "uuid-1", Money(200_000, "rsd"), utc_now()))])

        assert await status(world, command.payment_id) == "failed"
        assert await world.rows("select reason, amount_minor, charge_reference from payments.suspense_items") == [
            {"reason": "refused_payment", "amount_minor": 200_000, "charge_reference": "uuid-1"}
        ]
