"""Bugs that others had in the open with what providers tell: a failure taken for a duplicate, a state that never ends, a stale one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.payments.store import payments as store
from shared.contracts.base import utc_now
from tests.integration.payments_world import payments_world
from tests.integration.test_payments_settlement import event, outbox_of, status_of


async def test_an_event_whose_handling_failed_is_worked_on_when_it_comes_again(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hyperswitch #3408: a webhook that failed was never retried, because the row that was to find duplicates was there already."""
    async with payments_world(fresh_database_url) as world:
        made = await world.deposit()
        told = await world.decide(made.session_id)
        really = store.save_settled

        async def fails(*_: Any) -> None:
            raise ConnectionError("the database went away half-way")

        monkeypatch.setattr(store, "save_settled", fails)
        with pytest.raises(ConnectionError):
            await world.settlement.handle([told])
        assert await world.rows("select 1 from payments.provider_events") == [], "nothing of a failure stays to be taken for a success"

        monkeypatch.setattr(store, "save_settled", really)
        await world.settlement.handle([told])
        assert await status_of(world, made.payment_id) == "completed"
        assert len(await outbox_of(world)) == 1


async def test_nothing_older_is_told_after_a_newer_state(fresh_database_url: str) -> None:
    """hyperswitch #9278: a status that was overtaken was sent out as if it were the newest."""
    async with payments_world(fresh_database_url) as world:
        made = await world.deposit()
        await world.settlement.handle([await world.decide(made.session_id)])
        await world.settlement.handle([event(made.session_id, kind="session.failed")])

        told = await world.rows("select message_type, payload::jsonb ->> 'status' as status from payments.outbox order by id")
        assert told == [{"message_type": "payment.completed.v1", "status": None}]


async def test_a_payment_that_nobody_ever_tells_of_ends_all_the_same(fresh_database_url: str) -> None:
    """hyperswitch #3675: payments that stayed in processing for ever, since no webhook came."""
    async with payments_world(fresh_database_url) as world:
        made = await world.deposit()
        async with world.pool.acquire() as db:
            past = utc_now() - timedelta(seconds=1)
            await db.execute("update payments.payments set expires_at = $1, reconcile_at = $1", past)
            await db.execute("update payments.mock_sessions set expires_at = $1", past)

        await world.reconciler.reconcile_due()

        assert await status_of(world, made.payment_id) == "expired"
