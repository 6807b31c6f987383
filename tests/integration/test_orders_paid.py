"""An order is paid once, by whichever proof comes first; what comes after is told apart, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest

from services.payments.providers.base import Canceled, Open, Rejected
from services.payments.store import payments as payment_store
from shared import postgres
from shared.contracts.orders import EndMockSession, GetMockSession, MockSessionEnded, MockSessionView, OrderCreated, OrderMarkedPaid
from shared.contracts.payment_commands import MockSessionDecided, Refused
from shared.contracts.queries import GetPayment, PaymentView
from tests.integration.orders_world import PRICE, OrdersWorld, envelope, orders_world, paid
from tests.integration.payments_world import complete_command, received
from tests.integration.scripted_provider import ScriptedProvider


async def test_a_paid_payment_never_stands_beside_an_unpaid_order(fresh_database_url: str) -> None:
    """saleor #14733: paid, but no order: whatever completes the payment pays its order in the same transaction, or is undone."""
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await world.execute(
                "update payments.payments set status = 'completed', completed_at = now(), charge_reference = 'x', credit_reference = 'm:x'"
            )
        assert (await world.view(created.order_id)).payment_status == "pending"

        await world.tell(paid(created.session_id))

        view = await world.view(created.order_id)
        assert (view.status, view.payment_status) == ("paid", "completed")
        assert await world.completed() == [created.payment_id]
        assert await world.fulfil_due() == 1


async def test_the_reconcilers_word_pays_an_order_as_an_event_does(fresh_database_url: str) -> None:
    """The webhook was lost: the mock, asked, says that it was paid."""
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        decided = await world.payments.mock_sessions.complete(complete_command(created.session_id, user_id=None))
        assert isinstance(decided.answer, MockSessionDecided)
        while await world.status(created.order_id) == "pending":
            await world.payments.reconciler.reconcile_due()
        await world.tell(received(decided.answer))

        assert await world.completed() == [created.payment_id]
        assert await world.outcomes() == ["unchanged"]


async def test_a_guests_payment_is_shown_to_whoever_knows_its_session_and_to_nobody_else(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        top_up = await world.payments.deposit(user_id="1")

        async def seen(known: UUID) -> bool:
            found = await world.payments.views.payment(GetPayment(correlation_id="q", payment_id=str(known), viewer_user_id="3"))
            return isinstance(found, PaymentView)

        assert [await seen(known) for known in (created.session_id, created.payment_id, top_up.session_id)] == [True, False, False]


async def test_money_for_an_expired_order_still_pays_it(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        async with postgres.connection(world.payments.pool) as db:
            payment = await payment_store.find_payment(db, created.payment_id)
        assert payment is not None
        await world.payments.settlement.settle_told(Open(expired=True), payment)
        assert await world.status(created.order_id) == "expired"

        await world.tell(paid(created.session_id))

        assert await world.status(created.order_id) == "paid"


async def test_two_orders_webhooks_fifty_at_once_each_pay_once(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        one, two = await world.order(), await world.order()
        events = {order.order_id: paid(order.session_id, f"ch_{order.order_id}") for order in (one, two)}
        there = [events[one.order_id], events[two.order_id]]

        await asyncio.gather(*(world.tell(*(there if n % 2 else there[::-1])) for n in range(50)))

        assert sorted(await world.completed()) == sorted([one.payment_id, two.payment_id])
        assert [await world.status(order.order_id) for order in (one, two)] == ["paid", "paid"]
        assert await world.outcomes() == ["applied", "applied"]


async def test_sessions_of_one_order_paid_fifty_at_once_pay_it_once_and_the_rest_is_told_apart(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = await world.order()
        sessions = [first, *[await again(world, first) for _ in range(4)]]

        await asyncio.gather(*(world.tell(paid(sessions[n % 5].session_id, f"ch_{n % 5}")) for n in range(50)))

        (payer,) = await world.completed()
        assert payer in [session.payment_id for session in sessions]
        outcomes = await world.outcomes()
        assert (outcomes.count("applied"), outcomes.count("unchanged"), outcomes.count("second_payment")) == (1, 9, 40)
        assert await world.status(first.order_id) == "paid"


async def again(world: OrdersWorld, order: OrderCreated) -> OrderCreated:
    created = await world.pay_again(order.order_id)
    assert isinstance(created, OrderCreated)
    return created


async def test_a_new_session_ends_the_one_before(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = await world.order()
        second = await again(world, first)
        dead = await world.payments.mock_sessions.complete(complete_command(first.session_id, user_id=None))

        assert second.order_id == first.order_id
        assert second.payment_id != first.payment_id
        view = await world.view(first.order_id)
        assert (view.status, view.session_id) == ("pending", second.session_id)
        assert isinstance(dead.answer, Refused)
        assert dead.answer.code == "session_final", "nobody can pay it twice"


async def test_a_session_that_was_paid_unheard_is_heard_of_before_a_new_one_opens(fresh_database_url: str) -> None:
    """The payer comes back and tries again while the webhook of the first attempt is still on its way."""
    async with orders_world(fresh_database_url) as world:
        first = await world.order()
        await world.payments.mock_sessions.complete(complete_command(first.session_id, user_id=None))

        refused = await world.pay_again(first.order_id)
        later = await world.pay_again(first.order_id)

        assert isinstance(refused, Refused)
        assert isinstance(later, Refused)
        assert (refused.code, later.code) == ("already_paid", "already_paid")
        assert await world.completed() == [first.payment_id]
        rows = await world.payments.rows("select status from payments.payments order by created_at")
        assert [row["status"] for row in rows] == ["completed", "canceled"]


async def test_an_order_has_twenty_payments_at_most(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = await world.order()
        for _ in range(19):
            await again(world, first)
        refused = await world.pay_again(first.order_id)

        assert isinstance(refused, Refused)
        assert refused.code == "too_many_payments"


async def test_the_page_shows_a_session_and_ends_it(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order(user_id="1")
        shown = await world.page.session(GetMockSession(correlation_id="q", session_id=created.session_id, viewer_user_id=None))
        command = EndMockSession(**envelope("guest"), session_id=created.session_id, user_id=None)
        ended = [(await world.page.end(command)).answer for _ in range(2)]
        top_up = await world.payments.deposit(user_id="1")
        theirs = await world.page.session(GetMockSession(correlation_id="q", session_id=top_up.session_id, viewer_user_id="3"))

        assert isinstance(shown, MockSessionView)
        assert (shown.kind, shown.order_id, shown.amount_minor, shown.status) == ("order", created.order_id, 99_000, "pending")
        assert ended == [MockSessionEnded(session_id=created.session_id, status="canceled")] * 2
        assert isinstance(theirs, Refused)
        assert theirs.code == "session_not_found"
        assert await world.status(created.order_id) == "pending", "an order may be paid again"


# ---- marked as paid by an admin


async def test_an_admins_word_pays_an_order_and_the_providers_own_is_its_match(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        marked = [await world.mark(created.order_id, "777") for _ in range(2)]
        other = await world.mark(created.order_id, "778")
        await world.tell(paid(created.session_id, "ch_real"))
        await world.tell(paid(created.session_id, "ch_real"))
        await world.tell(paid(created.session_id, "ch_second"))

        assert marked[0] == marked[1]
        assert isinstance(marked[0], OrderMarkedPaid)
        assert (other.code, await world.status(created.order_id)) == ("already_paid", "paid")
        assert await world.completed() == [created.payment_id], "booked once"
        assert await world.outcomes() == ["matched", "unchanged", "second_payment"]
        (row,) = await world.payments.rows("select charge_reference, credit_reference from payments.payments")
        assert (row["charge_reference"], row["credit_reference"]) == ("ch_real", "mock:777"), "refunds name the charge, wallet its booking"
        (entry,) = await world.payments.rows("select actor, action, resource, details from payments.audit")
        assert (entry["actor"], entry["action"], entry["resource"]) == ("user:9", "order.mark_paid", f"order:{created.order_id}")
        assert "seen on the provider's list" in entry["details"]


async def test_an_order_whose_last_payment_was_rejected_can_still_be_marked(fresh_database_url: str) -> None:
    """It is not paid, whatever the provider thought of the last attempt."""
    stripe = ScriptedProvider(created=Rejected("not with this card"))
    async with orders_world(fresh_database_url, more=[stripe]) as world:
        created = await world.order()
        assert isinstance(await world.pay_again(created.order_id, method="stripe"), Refused)
        assert isinstance(await world.mark(created.order_id), OrderMarkedPaid)
        assert await world.status(created.order_id) == "paid"


async def test_a_match_of_another_sum_is_none(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        await world.mark(created.order_id)
        await world.tell(paid(created.session_id, "ch_less", amount_minor=1))
        await world.tell(paid(created.session_id, "ch_real"))

        assert (await world.outcomes())[-1] == "matched"
        assert (await world.stored(created.order_id)).matched


async def test_the_match_may_come_through_an_earlier_session_of_the_order(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        first = await world.order()
        second = await again(world, first)
        await world.mark(first.order_id, "777")
        await world.tell(paid(first.session_id, "777"))
        await world.tell(paid(second.session_id, "ch_2"))

        assert await world.completed() == [second.payment_id]
        assert await world.outcomes() == ["matched", "second_payment"]


async def test_marking_races_with_the_providers_event(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        orders = [await world.order() for _ in range(12)]
        await asyncio.gather(
            *(world.mark(order.order_id, f"m{n}") for n, order in enumerate(orders)),
            *(world.tell(paid(order.session_id, f"ch_{n}")) for n, order in enumerate(orders)),
        )

        assert sorted(await world.completed()) == sorted(order.payment_id for order in orders)
        assert set(await world.outcomes()) <= {"applied", "matched"}


async def test_a_reference_marks_one_order(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        one, two = await world.order(), await world.order()
        await world.mark(one.order_id, "777")
        refused = await world.mark(two.order_id, "777")

        assert refused.code == "reference_in_use"
        assert await world.status(two.order_id) == "pending"
        assert len(await world.payments.rows("select audit_id from payments.audit")) == 1


async def test_money_whose_reference_was_given_to_another_order_by_mistake_is_kept_apart(fresh_database_url: str) -> None:
    async with orders_world(fresh_database_url) as world:
        one, two, three, four = [await world.order() for _ in range(4)]
        await world.mark(one.order_id, "ch_of_two")

        await world.tell(paid(two.session_id, "ch_of_two"), paid(three.session_id, "ch_3"), paid(four.session_id, "ch_3"))

        assert [await world.status(order.order_id) for order in (one, two, three, four)] == ["paid", "pending", "paid", "pending"]
        items = await world.payments.rows("select session_id, amount_minor, reason from payments.suspense_items order by charge_reference")
        kept = {"amount_minor": PRICE.amount_minor, "reason": "reference_in_use"}
        assert items == [{"session_id": four.session_id, **kept}, {"session_id": two.session_id, **kept}]


async def test_an_ended_sessions_provider_says_so(fresh_database_url: str) -> None:
    """A provider that cannot end sessions closes only our side; what it tells afterwards still pays."""
    async with orders_world(fresh_database_url) as world:
        created = await world.order()
        async with postgres.connection(world.payments.pool) as db:
            payment = await payment_store.find_payment(db, created.payment_id)
        assert payment is not None
        await world.payments.settlement.settle_ended(Canceled(), payment, expired=False)
        await world.tell(paid(created.session_id))

        assert await world.status(created.order_id) == "paid"
