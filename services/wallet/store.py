"""Writes the book and asks what is in it: `wallet.post_transfers` in one call a batch, committed references, used tickets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.wallet.domain import AccountKind, AccountName, InsufficientFunds, Outcome, Transfer
from shared.contracts.base import new_id
from shared.postgres import Connection

MAX_BATCH: Final = 1000
"""Most transfers in one call; wallet.post_transfers refuses more."""

_POST: Final = """
    select wallet.post_transfers(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
        $9::text[], $10::uuid[], $11::text[], $12::text[], $13::timestamptz[], $14::uuid[], $15::uuid[]
    )
"""


async def post_transfers(connection: Connection, transfers: Sequence[Transfer]) -> list[Outcome]:
    """Posts all of them (at most MAX_BATCH) or none; one outcome each, in their order. Committed on return unless the caller holds a
    transaction. InsufficientFunds when one of them would take more than its source has: then none is posted."""
    if not transfers:
        return []
    try:
        outcomes = await connection.fetchval(
            _POST,
            [new_id() for _ in transfers],
            [transfer.reference for transfer in transfers],
            [transfer.kind for transfer in transfers],
            [transfer.source.kind.value for transfer in transfers],
            [transfer.source.owner for transfer in transfers],
            [transfer.target.kind.value for transfer in transfers],
            [transfer.target.owner for transfer in transfers],
            [transfer.money.amount_minor for transfer in transfers],
            [transfer.money.currency for transfer in transfers],
            [transfer.payment_id for transfer in transfers],
            [transfer.description for transfer in transfers],
            [transfer.correlation_id for transfer in transfers],
            [transfer.occurred_at for transfer in transfers],
            [_message_id(transfer.source) for transfer in transfers],
            [_message_id(transfer.target) for transfer in transfers],
        )
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "entries_sufficient_funds":
            raise InsufficientFunds("available is less than the amount") from error
        raise
    return [Outcome(outcome) for outcome in outcomes]


async def posted_references(connection: Connection, references: Collection[str]) -> set[str]:
    """Those of `references` that the journal has."""
    rows = await connection.fetch("select reference from wallet.transfers where reference = any($1::text[])", list(references))
    return {row["reference"] for row in rows}


async def use_ticket(connection: Connection, ticket_id: UUID, expires_at: datetime) -> bool:
    """True once for each ticket, over all replicas: the insert is the use. False too when it expired more than a minute ago: each use
    forgets some tickets older than that, so that the table stays as small as the traffic."""
    used = await connection.fetchval(
        """
        with forgotten as (
            delete from wallet.stream_tickets where ticket_id in (
                select ticket_id from wallet.stream_tickets
                where expires_at < clock_timestamp() - interval '1 minute'
                order by expires_at limit 10
                for update skip locked
            )
        )
        insert into wallet.stream_tickets (ticket_id, expires_at)
        select $1, $2 where $2 > clock_timestamp() - interval '1 minute'
        on conflict do nothing
        returning true
        """,
        ticket_id,
        expires_at,
    )
    return used is True


def _message_id(account: AccountName) -> UUID | None:
    # Only a user's account has a version to tell of.
    return new_id() if account.kind is AccountKind.USER else None
