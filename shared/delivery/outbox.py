"""The outbox: events written in the transaction that makes them true, published afterwards by the relay.

Each schema has its own `outbox` table: a row an event, in one of LANES lanes by its key, so that one relay at a time has a given account's
rows and they leave in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.contracts.base import Message
from shared.postgres import Connection

LANES: Final = 8


def channel_name(schema: str) -> str:
    """The NOTIFY channel that wakes relays in other processes."""
    return f"{schema}_outbox"


async def append(connection: Connection, schema: str, events: Sequence[tuple[str, Message]]) -> None:
    """Appends (key, event) pairs within the caller's transaction; events of one key leave in this order."""
    if not events:
        return
    await connection.execute(
        f"""
        insert into {schema}.outbox (lane, message_type, key, payload, correlation_id)
        select (hashtext(key) & 2147483647) % {LANES}, message_type, key, payload, correlation_id
        from unnest($1::text[], $2::text[], $3::text[], $4::text[])
             with ordinality as event (message_type, key, payload, correlation_id, position)
        order by position
        """,  # noqa: S608 - the schema is a constant of the service
        [event.TYPE for _, event in events],
        [key for key, _ in events],
        [event.model_dump_json() for _, event in events],
        [event.correlation_id for _, event in events],
    )
    await connection.execute("select pg_notify($1, '')", channel_name(schema))
