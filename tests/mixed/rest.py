"""Waits for the fact that nothing moves any more, asked of the database, the broker and the providers; and says what still does.

Waits of an hour or a minute that nothing in the run could shorten are over at once here, as if they had passed: their times are set back in
the database, and delayed messages go home. That changes when something is looked at, never what is found.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aio_pika
import asyncpg
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.contracts.topology import durable_queues
from tests.mixed.world import World

_LOOK_AGAIN_SECONDS: Final = 0.5
_HURRY_EVERY_SECONDS: Final = 4.0
_TIMEOUT_SECONDS: Final = 10.0

# What has no end yet, by what it waits for. Watched payments are over here, but not at their provider: $1 is since when each has to have
# been asked about once more.
_MOVING: Final = """
    select 'payment ' || status || ' at ' || provider as what, payment_id::text as id from payments.payments where status = 'pending'
    union all
    select 'payment watched at ' || provider, payment_id::text from payments.payments
    where watch_until > clock_timestamp() and provider = 'allsecure' and status <> 'completed' and reconcile_at <= $1
    union all
    select 'refund ' || state || ' at ' || provider, refund_id::text from payments.refunds where next_at is not null
    union all
    select 'withdrawal ' || step || ' by ' || payout_method, withdrawal_id::text from payments.withdrawals where step <> 'done'
    union all
    select 'dispute ' || state || ' at ' || provider, dispute_id::text from payments.disputes where next_at is not null
    union all
    select 'suspense item ' || coalesce(decision, 'undecided') || ' at ' || provider, item_id::text
    from payments.suspense_items where next_at is not null
    union all
    select 'order ' || fulfilment, order_id::text from payments.orders where next_at is not null
    union all
    select 'event ' || message_type, id::text from payments.outbox where sent_at is null
    union all
    select 'event ' || message_type, id::text from wallet.outbox where sent_at is null
"""

# Everybody who waits is looked at now. Over is the hour that a session has had more because a bank was deciding (then it refused), and the
# hour after which a refund whose failure Stripe keeps is sent under another key.
_HURRY: Final = (
    """
    update payments.payments set expires_at = clock_timestamp()
    where status = 'pending' and expires_at > clock_timestamp() + interval '50 minutes'
    """,
    """
    update payments.payments set reconcile_at = clock_timestamp()
    where (status = 'pending' or watch_until > clock_timestamp()) and reconcile_at > clock_timestamp()
    """,
    "update payments.refunds set sent_at = sent_at - interval '2 hours' where provider = 'stripe' and state = 'sending' and attempts > 2",
    """
    update payments.suspense_items set refund_sent_at = refund_sent_at - interval '2 hours'
    where provider = 'stripe' and refund_state = 'sent' and attempts > 2
    """,
    "update payments.refunds set next_at = clock_timestamp() where next_at > clock_timestamp()",
    "update payments.withdrawals set next_at = clock_timestamp() where next_at > clock_timestamp()",
    "update payments.disputes set next_at = clock_timestamp() where next_at > clock_timestamp()",
    "update payments.suspense_items set next_at = clock_timestamp() where next_at > clock_timestamp()",
    "update payments.orders set next_at = clock_timestamp() where next_at > clock_timestamp()",
)


class Restless(AssertionError):
    """Something still moves, or hangs, when the time is over."""


async def until_at_rest(world: World, bears_seconds: float) -> float:
    """How long it took. Restless."""
    began = time.monotonic()
    async with _administrator(world) as db:
        await _hurry(world, db)
        # Whoever is watched is due before this moment; who has been asked about since is due after it.
        since, hurried, quiet = await db.fetchval("select clock_timestamp()"), time.monotonic(), 0
        while quiet < 2:  # a message may be between the broker and the database while it is looked
            moving = await _moving(world, db, since)
            quiet = 0 if moving else quiet + 1
            if moving and time.monotonic() - began > bears_seconds:
                raise Restless(f"not at rest after {bears_seconds:.0f} s: {'; '.join(moving)}")
            if moving and time.monotonic() - hurried > _HURRY_EVERY_SECONDS:
                hurried = time.monotonic()
                await _hurry(world, db)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return time.monotonic() - began


async def _hurry(world: World, db: asyncpg.Connection[Any]) -> None:
    for statement in _HURRY:
        await db.execute(statement)
    async with asyncio.timeout(_TIMEOUT_SECONDS), await aio_pika.connect(world.stack.amqp_url) as connection:
        channel = await connection.channel()
        for queue in durable_queues():
            if queue.sort != "delay":
                continue
            delayed = await channel.get_queue(queue.name)
            while (message := await delayed.get(fail=False)) is not None:
                # As at the end of its delay: home, by the routing key that it has kept.
                await channel.default_exchange.publish(message, message.routing_key or "")
                await message.ack()


async def _moving(world: World, db: asyncpg.Connection[Any], since: Any) -> list[str]:
    """What moves, counted, each with an example."""
    rows = await db.fetch(f"select what, count(*) as n, min(id) as example from ({_MOVING}) as one group by what order by what", since)  # noqa: S608
    moving = [f"{row['n']} {row['what']} ({row['example']})" for row in rows]
    if not moving:
        moving += await _waiting_messages(world)
    for name, provider in world.providers.items():
        outstanding = (await provider.http.get("/_emulator/deliveries")).json()["outstanding"]
        moving += [f"{outstanding} webhooks of {name}"] if outstanding else []
    return moving


async def _waiting_messages(world: World) -> list[str]:
    """In every queue but those of dead letters, which the verifier reads."""
    found = []
    async with asyncio.timeout(_TIMEOUT_SECONDS), await aio_pika.connect(world.stack.amqp_url) as connection:
        for queue in durable_queues():
            if queue.sort == "dead":
                continue
            async with connection.channel() as channel:
                try:
                    declared = await channel.declare_queue(queue.name, passive=True)
                except ChannelNotFoundEntity as error:
                    raise Restless(f"there is no queue {queue.name}") from error
                count = declared.declaration_result.message_count or 0
                found += [f"{count} messages in {queue.name}"] if count else []
    return found


@asynccontextmanager
async def _administrator(world: World) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(world.stack.admin_database_url, ssl=False, timeout=10, command_timeout=60)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)
