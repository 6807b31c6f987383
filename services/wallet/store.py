"""Writes the book and asks what is in it: `wallet.post_transfers` in one call a batch, committed references, holds, used tickets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.wallet.domain import AccountKind, AccountName, Hold, HoldState, HoldTerms, InsufficientFunds, Outcome, Transfer
from shared.contracts.base import new_id
from shared.money import Money
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


_LOCK: Final = """
    select account.kind, account.owner, account.available_minor
    from wallet.accounts as account
    where account.account_id in (
        select coalesce(named.holder_id, named.account_id)
        from wallet.accounts as named
        join unnest($1::text[], $2::text[]) as item (kind, owner) on named.kind = item.kind and named.owner = item.owner
        where named.currency = $3 and named.kind in ('user', 'held')
    )
    order by account.account_id
    for no key update of account
"""


async def lock_accounts(connection: Connection, names: Collection[AccountName], currency: str) -> dict[AccountName, int]:
    """Locks the users' accounts among `names` until the transaction ends, and makes those that are missing: what each has available.
    Anything that posts to more than it locks here must post first: accounts are locked in the order of wallet.post_transfers."""
    kinds, owners = [name.kind.value for name in names], [name.owner for name in names]
    await connection.execute("select wallet.make_accounts($1::text[], $2::text[], $3::text[])", kinds, owners, [currency] * len(names))
    rows = await connection.fetch(_LOCK, kinds, owners, currency)
    return {AccountName(AccountKind(row["kind"]), row["owner"]): row["available_minor"] for row in rows}


_ADD_HOLD: Final = """
    insert into wallet.holds (
        reference, state, account_id, kind, asked_minor, up_to, payment_id, description, amount_minor, correlation_id, ended_at
    )
    select $1, $2,
           (select account_id from wallet.accounts where kind = 'user' and owner = $3 and currency = $4),
           $5, $6, $7, $8, $9, $10, $11, case when $2 <> 'held' then clock_timestamp() end
    on conflict (reference) do nothing
    returning true
"""


async def add_hold(connection: Connection, hold: Hold) -> bool:
    """False when there is a hold of this reference, committed by now."""
    terms = hold.terms
    added = await connection.fetchval(
        _ADD_HOLD,
        hold.reference,
        hold.state.value,
        terms and terms.user_id,
        terms and terms.money.currency,
        terms and terms.kind,
        terms and terms.money.amount_minor,
        terms and terms.up_to,
        terms and terms.payment_id,
        hold.description,
        hold.held_minor,
        hold.correlation_id,
    )
    return added is True


_FIND_HOLD: Final = """
    select hold.reference, hold.state, hold.kind, hold.asked_minor, hold.up_to, hold.payment_id, hold.description, hold.amount_minor,
           hold.correlation_id, account.owner, account.currency
    from wallet.holds as hold
    left join wallet.accounts as account using (account_id)
    where hold.reference = $1
"""


async def find_hold(connection: Connection, reference: str) -> Hold | None:
    """As it is committed, or as this transaction left it. It stays so while the lock of its user's account is held."""
    row = await connection.fetchrow(_FIND_HOLD, reference)
    if row is None:
        return None
    terms = None
    if row["owner"] is not None:
        terms = HoldTerms(row["owner"], row["kind"], Money(row["asked_minor"], row["currency"]), row["up_to"], row["payment_id"])
    return Hold(row["reference"], HoldState(row["state"]), terms, row["amount_minor"], row["description"], row["correlation_id"])


async def end_hold(connection: Connection, hold: Hold) -> None:
    """Settled or released, once: the table refuses a second end."""
    await connection.execute(
        "update wallet.holds set state = $2, ended_at = clock_timestamp() where reference = $1", hold.reference, hold.state.value
    )


async def take_turn(connection: Connection, reference: str) -> None:
    """Commands of one reference take turns until the transaction ends. Taken before any other lock, one a transaction."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", reference)


async def was_refused(connection: Connection, reference: str) -> bool:
    return await connection.fetchval("select true from wallet.refusals where reference = $1", reference) is True


async def refuse_for_good(connection: Connection, reference: str) -> None:
    """The command is not done any more, however often it comes."""
    await connection.execute("insert into wallet.refusals (reference) values ($1) on conflict do nothing", reference)


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
    # Only a user's balances, available and held, have versions to tell of.
    return new_id() if account.kind in (AccountKind.USER, AccountKind.HELD) else None
