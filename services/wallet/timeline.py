"""Reads the transfers of some references, with what each changed for whom and when that was told."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final
from uuid import UUID

from asyncpg import Record

from services.wallet.domain import leg_reference
from shared.contracts.queries import BookedTransfer, EntryView, NamedAccount
from shared.contracts.wallet_commands import MAX_LEGS
from shared.postgres import Connection

# A row an entry; one row, with no version, for a transfer that moved no user's balance. A user's side and what the same user has held are
# one entry.
_TRANSFERS: Final = """
    with booked as materialized (
        select transfer.*,
               source.kind as source_kind, source.owner as source_owner, target.kind as target_kind, target.owner as target_owner,
               case when source.kind in ('user', 'held') then coalesce(source.holder_id, source.account_id) end as source_mover_id,
               case when target.kind in ('user', 'held') then coalesce(target.holder_id, target.account_id) end as target_mover_id
        from wallet.transfers as transfer
        join wallet.accounts as source on source.account_id = transfer.source_id
        join wallet.accounts as target on target.account_id = transfer.target_id
        where transfer.reference = any($1::text[])
    )
    select booked.transfer_id, booked.reference, booked.kind, booked.amount_minor, booked.currency, booked.source_kind, booked.source_owner,
           booked.target_kind, booked.target_owner, booked.payment_id, booked.correlation_id, booked.created_at,
           mover.owner as user_id, entry.version, entry.change_minor, entry.held_change_minor, entry.available_after_minor,
           entry.held_after_minor, entry.created_at as entered_at, event.message_id, event.sent_at
    from booked
    left join wallet.accounts as mover on mover.account_id in (booked.source_mover_id, booked.target_mover_id)
    left join wallet.entries as entry
           on entry.account_id = mover.account_id
          and entry.version = wallet.version_of(mover.account_id, mover.version, booked.transfer_id, booked.created_at)
    left join lateral wallet.event_of(mover.account_id, entry.version, booked.created_at) as event on true
    order by booked.created_at, booked.reference, mover.account_id
"""


async def transfers(connection: Connection, references: Collection[str]) -> tuple[BookedTransfer, ...]:
    """Oldest first, with those that belong to a set or a hold of one of `references`."""
    names = [name for reference in references for name in _derived(reference)]
    rows = await connection.fetch(_TRANSFERS, names)
    entries: dict[UUID, list[EntryView]] = {}
    for row in rows:
        entries.setdefault(row["transfer_id"], []).extend(_entry(row))
    first_rows = {row["transfer_id"]: row for row in reversed(rows)}
    return tuple(_transfer(first_rows[transfer_id], tuple(found)) for transfer_id, found in entries.items())


def _derived(reference: str) -> Iterator[str]:
    for own in (reference, f"{reference}:settle"):
        yield from (leg_reference(own, number) for number in range(MAX_LEGS + 1))
    yield f"{reference}:release"


def _entry(row: Record) -> Iterator[EntryView]:
    if row["version"] is None:
        return
    yield EntryView(
        user_id=row["user_id"],
        version=row["version"],
        change_minor=row["change_minor"],
        held_change_minor=row["held_change_minor"],
        available_after_minor=row["available_after_minor"],
        held_after_minor=row["held_after_minor"],
        created_at=row["entered_at"],
        message_id=row["message_id"],
        published_at=row["sent_at"],
    )


def _transfer(row: Record, entries: tuple[EntryView, ...]) -> BookedTransfer:
    return BookedTransfer(
        transfer_id=row["transfer_id"],
        reference=row["reference"],
        kind=row["kind"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        source=NamedAccount(kind=row["source_kind"], owner=row["source_owner"]),
        target=NamedAccount(kind=row["target_kind"], owner=row["target_owner"]),
        payment_id=row["payment_id"],
        correlation_id=row["correlation_id"],
        created_at=row["created_at"],
        entries=entries,
    )
