"""How long a payment waits for the next question about it when no webhook comes: what docs/providers.md promises, over the real SQL."""

from __future__ import annotations

import time
from itertools import pairwise
from uuid import UUID

import pytest

from services.payments.providers.allsecure.adapter import QUESTIONS_PER_MINUTE
from services.payments.reconciler import Reconciler
from tests.integration.payments_world import PaymentsWorld, payments_world
from tests.integration.scripted_provider import ScriptedProvider

STEP_SECONDS = 5
"""The reconciler's pause."""

PROMISED_SECONDS = 300


async def pass_time(world: PaymentsWorld, seconds: float) -> None:
    """As if everything had happened so much earlier."""
    await world.rows(
        """
        update payments.payments set created_at = created_at - $1::float8 * interval '1 second',
            expires_at = expires_at - $1::float8 * interval '1 second', reconcile_at = reconcile_at - $1::float8 * interval '1 second'
        returning 1
        """,
        seconds,
    )
    await world.rows("update payments.provider_questions set at = at - $1::float8 * interval '1 second' returning 1", seconds)


async def open_payments(world: PaymentsWorld, how_many: int, *, within_seconds: float) -> list[UUID]:
    """Made one after the other from now on; first due a minute later."""
    made = [(await world.deposit(method="allsecure")).payment_id for _ in range(how_many)]
    await world.rows(
        """
        with made as (
            select payment_id, now() + $2::float8 * (position - 1) / cardinality($1::uuid[]) * interval '1 second' as at
            from unnest($1::uuid[]) with ordinality as one (payment_id, position)
        )
        update payments.payments as payment
        set created_at = made.at, expires_at = made.at + interval '1 hour', reconcile_at = made.at + interval '1 minute'
        from made where made.payment_id = payment.payment_id returning 1
        """,
        made,
        within_seconds,
    )
    return made


async def longest_wait(world: PaymentsWorld, provider: ScriptedProvider, made: list[UUID], *, within_seconds: float, minutes: int) -> float:
    """Between a payment's beginning and its first question, or between two questions, as far as the time goes."""
    reconciler = Reconciler(world.pool, world.confirming.inquiry, after_seconds=60)
    began = time.monotonic()
    asked_at = {payment_id: within_seconds * place / len(made) for place, payment_id in enumerate(made)}
    longest = 0.0
    for passed in range(0, minutes * 60, STEP_SECONDS):
        provider.asked.clear()
        await reconciler.reconcile_due()
        now = passed + time.monotonic() - began
        for payment in provider.asked:
            longest = max(longest, now - asked_at[payment.payment_id])
            asked_at[payment.payment_id] = now
        await pass_time(world, STEP_SECONDS)
    return max(longest, *(now - at for at in asked_at.values()))


async def test_alone_it_is_asked_about_within_five_minutes_all_its_hour_and_at_its_end(fresh_database_url: str) -> None:
    provider = ScriptedProvider(name="allsecure", questions_per_minute=QUESTIONS_PER_MINUTE)
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[provider]) as world:
        await open_payments(world, 1, within_seconds=0)
        asked_after: list[float] = []
        began = time.monotonic()
        reconciler = Reconciler(world.pool, world.confirming.inquiry, after_seconds=60)
        for passed in range(0, 3_600 + 2 * STEP_SECONDS, STEP_SECONDS):
            provider.asked.clear()
            await reconciler.reconcile_due()
            asked_after += [passed + time.monotonic() - began] * len(provider.asked)
            await pass_time(world, STEP_SECONDS)
        assert [second / 60 for second in asked_after[:7]] == pytest.approx([1, 2, 3, 4.5, 6.75, 10.1, 14.6], abs=0.75)
        assert max(later - earlier for earlier, later in pairwise(asked_after)) < PROMISED_SECONDS - 10
        assert asked_after[-1] >= 3_600 - STEP_SECONDS
        assert len(asked_after) in (17, 18)
        assert await world.rows("select status from payments.payments") == [{"status": "expired"}]


@pytest.mark.parametrize("within_seconds", [60, 600])
async def test_a_hundred_and_sixty_open_payments_at_allsecure_are_each_asked_about_within_five_minutes(
    fresh_database_url: str, within_seconds: float
) -> None:
    provider = ScriptedProvider(name="allsecure", questions_per_minute=QUESTIONS_PER_MINUTE)
    async with payments_world(fresh_database_url, enabled=("allsecure",), more=[provider]) as world:
        made = await open_payments(world, 160, within_seconds=within_seconds)
        waited = await longest_wait(world, provider, made, within_seconds=within_seconds, minutes=20)
        assert waited <= PROMISED_SECONDS
