"""A payment's messages are found in the outbox by halving: all of them, and without looking at the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contracts.base import new_id
from tests.integration.history_world import NOON, HistoryWorld, history_world


@pytest.fixture
async def world(fresh_database_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(fresh_database_url) as running:
        yield running


async def test_messages_are_found_at_their_moments_among_all_the_others(world: HistoryWorld) -> None:
    """Halving agrees with looking at every row, with gaps among the ids and many of one time."""
    payment_id, hours = new_id(), 2
    async with world.admin() as admin:
        await admin.execute(
            """
            insert into payments.outbox (lane, message_type, key, payload, correlation_id, created_at)
            select 0, 'payment.updated.v1', case n % 3 when 0 then 'me' else 'you' end,
                   json_build_object('message_id', gen_random_uuid(), 'payment_id', case n % 3 + n % 2 when 0 then $1 else 'x' end)::text,
                   'r', $2::timestamptz + n / 4 * interval '1 second'
            from generate_series(1, $3::int * 3600 * 4) as n
            """,
            str(payment_id),
            NOON,
            hours,
        )
        await admin.execute("delete from payments.outbox where id % 7 < 3")
        await admin.execute("analyze payments.outbox")
        for seconds in ([0], [5000], [3, 4, 30, 5400], [hours * 3600], [-3600], [10**6], []):
            moments = [NOON + timedelta(seconds=second) for second in seconds]
            found = await admin.fetch("select message_id from payments.messages_of($1, array['me'], $2)", payment_id, moments)
            expected = await admin.fetch(
                """
                select (payload::json ->> 'message_id')::uuid as message_id from payments.outbox
                where key = 'me' and payload::json ->> 'payment_id' = $1 and exists (
                    select from unnest($2::timestamptz[]) as moment
                    where created_at >= moment - interval '10 seconds' and created_at < moment + interval '10 seconds'
                )
                order by id
                """,
                str(payment_id),
                moments,
            )
            assert [row["message_id"] for row in found] == [row["message_id"] for row in expected], seconds
            assert expected or seconds not in ([0], [5000], [3, 4, 30, 5400])
        blocks = await admin.fetchval("select pg_relation_size('payments.outbox') / 8192")
        plan = await admin.fetch(
            "explain (analyze, buffers, timing off) select * from payments.messages_of($1, array['me'], $2)", payment_id, [NOON]
        )
    touched = sum(
        int(part.removeprefix("hit=").removeprefix("read=")) for row in plan[:2] for part in row[0].split() if part[:4] in ("hit=", "read")
    )
    assert 0 < touched < blocks / 2, (touched, blocks)
