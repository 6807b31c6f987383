"""Whatever a provider's webhook does not tell is asked for: a payment that is pending past its time comes to its end all the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from services.payments.domain.payments import Payment
from services.payments.mock_book import MockBook
from services.payments.providers.base import Unknown
from services.payments.providers.mock.adapter import MockProvider
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import GetPayment, PaymentView
from tests.integration.payments_world import PaymentsWorld, complete_command, payments_world


async def state(world: PaymentsWorld) -> list[tuple[str, int]]:
    rows = await world.rows(
        """
        select status, (
            select count(*) from payments.outbox
            where message_type = 'payment.completed.v1' and payload::jsonb ->> 'payment_id' = payment_id::text
        ) as told
        from payments.payments order by created_at
        """
    )
    return [(row["status"], row["told"]) for row in rows]


async def test_a_success_whose_event_was_lost_is_found_and_credited_once(fresh_database_url: str) -> None:
    """The gateway was killed between the mock's decision and handing its event in."""
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        lost = await world.decide(created.session_id)

        await world.reconciler.reconcile_due()
        assert await state(world) == [("completed", 1)]

        await world.settlement.handle([lost])
        assert await state(world) == [("completed", 1)], "the event that came after all is the same charge"


async def test_a_failure_whose_event_was_lost_is_found(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        await world.decide((await world.deposit()).session_id, "failure")
        await world.reconciler.reconcile_due()

        assert await state(world) == [("failed", 0)]


async def test_an_open_session_is_left_alone_and_an_expired_one_ends(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        await world.deposit()
        dead = await world.deposit()
        async with world.pool.acquire() as db:
            await db.execute("update payments.mock_sessions set expires_at = now() where session_id = $1", dead.session_id)

        await world.reconciler.reconcile_due()

        assert await state(world) == [("pending", 0), ("expired", 0)]


async def test_a_session_whose_time_is_over_here_is_ended_at_the_provider_first(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else somebody could still pay what we call expired; a provider that does not say so leaves it open here too."""
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        async with world.pool.acquire() as db:
            await db.execute("update payments.payments set expires_at = now()")

        async def silent(_: MockProvider, __: Payment) -> Unknown:
            return Unknown()

        with monkeypatch.context() as changed:
            changed.setattr(MockProvider, "cancel", silent)
            await world.reconciler.reconcile_due()
        assert await state(world) == [("pending", 0)]

        async with world.pool.acquire() as db:
            await db.execute("update payments.payments set reconcile_at = now()")
        await world.reconciler.reconcile_due()
        assert await state(world) == [("expired", 0)]
        refused = (await world.mock_sessions.complete(complete_command(created.session_id))).answer
        assert isinstance(refused, Refused)
        assert refused.code == "session_final"
        assert await world.rows("select outcome from payments.mock_sessions") == [{"outcome": "canceled"}]


async def test_a_success_that_is_being_decided_as_the_session_ends_is_not_taken_for_expired(fresh_database_url: str) -> None:
    """The event is lost too: nobody would ask about an expired payment again, and the payer's money would be gone."""
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        async with world.pool.acquire() as db:
            await db.execute("update payments.mock_sessions set expires_at = now()")
            deciding = db.transaction()
            await deciding.start()
            session = await MockBook.lock(db, created.session_id, "1")
            assert session is not None
            await MockBook.decide(db, session, "success", event_id="evt_1", charge="ch_1", at=utc_now())
            reconciling = asyncio.create_task(world.reconciler.reconcile_due())
            await asyncio.wait([reconciling], timeout=0.5)
            await deciding.commit()
        await reconciling

        async with asyncio.timeout(5):
            while await state(world) == [("pending", 0)]:
                await world.reconciler.reconcile_due()
        assert await state(world) == [("completed", 1)]


async def test_what_a_provider_tells_and_does_not_fit_moves_nothing_and_is_told(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        await world.decide(created.session_id)
        async with world.pool.acquire() as db:
            await db.execute("update payments.mock_sessions set amount_minor = amount_minor - 1")
        with capture_logs() as lines:
            await world.reconciler.reconcile_due()

        assert await state(world) == [("pending", 0)]
        (told,) = [line for line in lines if line["log_level"] == "error"]
        assert (told["reason"], told["payment_id"]) == ("less_than_asked", str(created.payment_id))


async def test_many_reconcilers_credit_once(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = [await world.deposit() for _ in range(20)]
        events = [await world.decide(deposit.session_id) for deposit in created]

        await asyncio.gather(*(world.reconciler.reconcile_due() for _ in range(5)), world.settlement.handle(events))

        assert await state(world) == [("completed", 1)] * 20


async def test_each_asking_moves_the_next_one_on(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        await world.deposit()
        async with world.pool.acquire() as db:
            await db.execute("update payments.payments set created_at = now() - interval '10 minutes', reconcile_at = now()")

        assert (await world.reconciler.reconcile_due(), await world.reconciler.reconcile_due()) == (1, 0)
        (row,) = await world.rows("select reconcile_at > now() + interval '4 minutes' as later from payments.payments")
        assert row["later"]


@pytest.mark.parametrize("age_minutes", [20, 50, 60 * 24])
async def test_however_old_a_payment_is_it_is_asked_about_within_five_minutes(fresh_database_url: str, age_minutes: int) -> None:
    """A payer may pay at the end of a long session; with all webhooks lost the product promises five minutes."""
    async with payments_world(fresh_database_url) as world:
        await world.deposit()
        async with world.pool.acquire() as db:
            age = timedelta(minutes=age_minutes)
            await db.execute("update payments.payments set created_at = now() - $1::interval, reconcile_at = now()", age)
        await world.reconciler.reconcile_due()

        (row,) = await world.rows("select reconcile_at < now() + interval '4 minutes 50 seconds' as soon from payments.payments")
        assert row["soon"]


async def test_a_payment_is_found_by_its_session_too(fresh_database_url: str) -> None:
    """A completion that was slow has only the session's id to be asked by."""
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        await world.mock_sessions.complete(complete_command(created.session_id))
        view = await world.views.payment(GetPayment(correlation_id="q", payment_id=str(created.session_id), viewer_user_id="1"))

        assert isinstance(view, PaymentView)
        assert view.payment_id == created.payment_id
