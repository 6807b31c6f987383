"""Reads balances and lists their changes; every list seeks the key of the entries, however long the journal is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from asyncpg import Record

from services.wallet.cursors import decode_cursor, encode_cursor
from shared.contracts.operator import Held, HeldView
from shared.contracts.queries import BalanceView, ListTransactions, TransactionPage, TransactionView
from shared.postgres import Connection

_BALANCES: Final = """
    select owner as user_id, currency, available_minor, held_minor, version, updated_at
    from wallet.accounts
    where kind = 'user' and owner = any($1::text[]) and ($2::text is null or currency = $2) and version > 0
    order by owner, currency
"""

# The same at a time: the newest entry that is not younger.
_BALANCES_AT: Final = """
    select account.owner as user_id, account.currency, entry.available_after_minor as available_minor,
           entry.held_after_minor as held_minor, entry.version, entry.created_at as updated_at
    from wallet.accounts as account
    join wallet.entries as entry
      on entry.account_id = account.account_id and entry.version = wallet.version_at(account.account_id, account.version, $3)
    where account.kind = 'user' and account.owner = any($1::text[]) and ($2::text is null or account.currency = $2) and account.version > 0
    order by account.owner, account.currency
"""

# The versions that a list may show: above `above`, up to `newest`. since <= created_at < until, to the microsecond that a timestamp has.
_ACCOUNTS: Final = """
    select account_id, currency,
           case when $3::timestamptz is null then 0
                else wallet.version_at(account_id, version, $3 - interval '1 microsecond') end as above,
           case when $4::timestamptz is null then version
                else wallet.version_at(account_id, version, $4 - interval '1 microsecond') end as newest
    from wallet.accounts
    where kind = 'user' and owner = $1 and ($2::text is null or currency = $2) and version > 0
    order by currency
"""

# The newest of each account first, then the newest of those: no account is read further than the page is long. Within an account the order
# of time is the order of versions; equal times of different accounts are told apart by currency. One row more than the page tells whether
# there is a next one; `listed` is how far this page and what was skipped before it went into each account.
_TRANSACTIONS: Final = """
    with merged as materialized (
        select account.currency, entry.*,
               row_number() over (order by entry.created_at desc, account.currency, entry.version desc) as place
        from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) as account (account_id, currency, above, newest)
        cross join lateral (
            select version, transfer_id, kind, change_minor, available_after_minor, created_at
            from wallet.entries
            where account_id = account.account_id and version > account.above and version <= account.newest
              and change_minor <> 0 and ($5::text is null or kind = $5)
            order by version desc
            limit $6::int + $7::int + 1
        ) as entry
        order by place
        limit $6::int + $7::int + 1
    )
    select merged.*, transfer.payment_id, transfer.description,
           (
               select json_object_agg(currency, lowest)
               from (select currency, min(version) as lowest from merged where place <= $6 + $7 group by currency) as by_currency
           )::text as listed
    from merged
    join wallet.transfers as transfer using (transfer_id)
    where place > $7
    order by place
"""


_HELD: Final = """
    select account.currency, count(*) as count, sum(hold.amount_minor)::numeric as amount_minor, min(hold.created_at) as since
    from wallet.holds as hold join wallet.accounts as account using (account_id)
    where hold.state = 'held'
    group by account.currency order by account.currency
"""

_UNPUBLISHED_SINCE: Final = """
    select min(oldest.created_at)
    from wallet.outbox_lanes as lane cross join lateral (
        select created_at from wallet.outbox where lane = lane.lane and sent_at is null order by id limit 1
    ) as oldest
"""


@dataclass(slots=True)
class _Listed:
    """One account's part of a list: versions above `above`, up to `newest`."""

    account_id: int
    currency: str
    above: int
    newest: int


async def balances(
    connection: Connection, user_ids: Collection[str], currency: str | None, at: datetime | None = None
) -> tuple[BalanceView, ...]:
    """The balances of `user_ids` that ever moved, in one currency or all; those that had moved by `at`, as they were then."""
    if at is None:
        rows = await connection.fetch(_BALANCES, list(user_ids), currency)
    else:
        rows = await connection.fetch(_BALANCES_AT, list(user_ids), currency, at)
    return tuple(BalanceView(**dict(row)) for row in rows)


async def held(connection: Connection) -> HeldView:
    """What is held of everybody's money now, by currency, and since when events wait to be published."""
    rows = await connection.fetch(_HELD)
    return HeldView(
        held=tuple(Held(**{**dict(row), "amount_minor": int(row["amount_minor"])}) for row in rows),
        unpublished_since=await connection.fetchval(_UNPUBLISHED_SINCE),
    )


async def transactions(connection: Connection, question: ListTransactions) -> TransactionPage:
    """One page, newest first. The first page fixes each account's newest version in its cursor: what is posted later is on no later page,
    and nothing is missed or shown twice. MalformedCursor when the cursor is not ours."""
    accounts = await _accounts(connection, question.user_id, question.currency, question.since, question.until)
    if question.cursor is not None:
        accounts = _resumed(accounts, decode_cursor(question.cursor))
    rows = await connection.fetch(
        _TRANSACTIONS,
        [account.account_id for account in accounts],
        [account.currency for account in accounts],
        [account.above for account in accounts],
        [account.newest for account in accounts],
        question.kind,
        question.limit,
        question.skip,
    )
    items = tuple(_item(row) for row in rows[: question.limit])
    return TransactionPage(items=items, next_cursor=_next_cursor(accounts, rows[0]["listed"]) if len(rows) > question.limit else None)


def _item(row: Record) -> TransactionView:
    return TransactionView(
        id=row["transfer_id"],
        kind=row["kind"],
        amount_minor=row["change_minor"],
        currency=row["currency"],
        balance_after_minor=row["available_after_minor"],
        version=row["version"],
        payment_id=row["payment_id"],
        description=row["description"],
        created_at=row["created_at"],
    )


def _next_cursor(accounts: list[_Listed], listed: str) -> str:
    lowest: dict[str, int] = orjson.loads(listed)
    remaining = {a.currency: lowest[a.currency] - 1 if a.currency in lowest else a.newest for a in accounts}
    # An account that is listed to its end drops out; one whose every entry the filter hides stays until its own page is empty.
    return encode_cursor({a.currency: remaining[a.currency] for a in accounts if remaining[a.currency] > a.above})


async def _accounts(
    connection: Connection, user_id: str, currency: str | None, since: datetime | None, until: datetime | None
) -> list[_Listed]:
    rows = await connection.fetch(_ACCOUNTS, user_id, currency, since, until)
    return [_Listed(**dict(row)) for row in rows]


def _resumed(accounts: list[_Listed], next_versions: dict[str, int]) -> list[_Listed]:
    """The accounts that the cursor goes on with; one that began to move after the first page is not part of this list."""
    return [
        _Listed(account.account_id, account.currency, account.above, min(account.newest, next_versions[account.currency]))
        for account in accounts
        if account.currency in next_versions
    ]
