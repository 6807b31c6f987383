"""What the database has once held: play money and real money never share a book."""

from __future__ import annotations

from shared.postgres import Connection


async def note_mock_money(tx: Connection) -> None:
    await tx.execute("insert into payments.marks (mark) values ('mock_money') on conflict do nothing")


async def holds_mock_money(tx: Connection) -> bool:
    return bool(await tx.fetchval("select exists (select from payments.marks where mark = 'mock_money')"))
