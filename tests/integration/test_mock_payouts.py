"""The stand-in for payouts: one payout a withdrawal, as its account's last digits say; a return is told once, and signed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.payments.domain.facts import PayoutTold
from services.payments.providers.base import PaidOut, PayoutDeclined, PayoutOrder, Unknown
from services.payments.providers.mock.payouts import MockPayouts, MockReturns
from shared.contracts.base import new_id
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery.errors import BrokerUnavailable
from shared.keys import Keys
from shared.money import Money
from tests.integration.gateway_world import signed
from tests.integration.payments_world import SECRET, payments_world


def order(account: str, **changes: Any) -> PayoutOrder:
    fields: dict[str, Any] = {"withdrawal_id": new_id(), "money": Money(1_000, "rsd"), "destination": {"account": account, "name": "J"}}
    return PayoutOrder(**(fields | changes))


async def test_the_same_order_again_is_the_same_payout(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        payouts = MockPayouts(world.pool)
        asked = order("RS35 2600 0560 1001 6113 79")

        answers = await asyncio.gather(*(payouts.pay_out(asked) for _ in range(20)))

        assert isinstance(answers[0], PaidOut)
        assert len(set(answers)) == 1
        assert await payouts.find_payout(asked) == answers[0]
        assert await world.rows("select count(*) as n from payments.mock_payouts") == [{"n": 1}]


async def test_what_the_last_digits_of_the_account_do(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        payouts = MockPayouts(world.pool)
        fails, silent, returned = order("12 0001"), order("120-002"), order("120003")

        assert isinstance(await payouts.pay_out(fails), PayoutDeclined)
        assert isinstance(await payouts.find_payout(silent), Unknown), "never heard of"
        assert isinstance(await payouts.pay_out(silent), Unknown)
        assert isinstance(await payouts.pay_out(silent), Unknown), "asking for it again is not asking about it"
        assert isinstance(await payouts.find_payout(silent), PaidOut)
        assert isinstance(await payouts.pay_out(returned), PaidOut)


async def test_a_return_is_told_when_it_is_due_and_once(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        published: list[ProviderEventReceived] = []
        broken = True

        async def publish(event: ProviderEventReceived) -> None:
            published.append(event)
            if broken:
                raise BrokerUnavailable("down")

        payouts, returns = MockPayouts(world.pool), MockReturns(world.pool, Keys((SECRET,)), publish)
        asked = order("120003")
        paid = await payouts.pay_out(asked)
        assert isinstance(paid, PaidOut)
        assert await returns.tell_due() == 0, "not due yet"
        async with world.pool.acquire() as db:
            await db.execute("update payments.mock_payouts set returns_at = now()")
        with pytest.raises(BrokerUnavailable):
            await returns.tell_due()
        assert await returns.tell_due() == 0, "whoever has the lease may still be at it"
        broken = False
        async with world.pool.acquire() as db:
            await db.execute("update payments.mock_payouts set return_leased_until = now()")
        assert [await returns.tell_due() for _ in range(2)] == [1, 0]

        first, again = published
        assert first.body == again.body
        told = world.mock.read_event(again.headers, again.body)
        assert isinstance(told.fact, PayoutTold)
        assert (told.fact.withdrawal_id, told.fact.outcome) == (asked.withdrawal_id, "returned")
        assert told.fact.provider_reference == paid.provider_reference
        at = float(again.headers["webhook-timestamp"])
        assert again.headers == signed(again.body, event_id=told.event_id, secret=SECRET, at=at), "as the gateway would check it"
