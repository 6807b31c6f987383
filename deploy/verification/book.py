"""Invariant A: each transfer, currency and the whole book sum to zero; every balance is the sum of its entries, what is held included."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant

# What users have, held or not, plus what the platform's accounts have (their sums come from the transfers), is nothing: money only moved
# between them.
# The users' side is their running balances, so a balance that was changed by hand or a transfer that moved none shows here.
_BOOK_SUMS_TO_ZERO: Final = """
    select currency, coalesce(users_minor, 0) as users_minor, coalesce(platform_minor, 0) as platform_minor
    from (
        select currency, sum(available_minor + held_minor) as users_minor
        from wallet.accounts where kind = 'user' group by currency
    ) as users
    full join (
        select side.currency, sum(side.change_minor) as platform_minor
        from (
            select source_id as account_id, currency, -amount_minor as change_minor from wallet.transfers
            union all
            select target_id, currency, amount_minor from wallet.transfers
        ) as side
        join wallet.accounts as account using (account_id)
        where account.kind not in ('user', 'held')
        group by side.currency
    ) as platform using (currency)
    where coalesce(users_minor, 0) + coalesce(platform_minor, 0) <> 0
    order by currency
"""

# A transfer has one amount and two sides, so it sums to zero by its form; this looks whether the form is kept, constraints or not.
_TRANSFERS_ARE_WELL_FORMED: Final = """
    select transfer.transfer_id, transfer.reference, transfer.amount_minor, transfer.currency,
           source.currency as source_currency, target.currency as target_currency
    from wallet.transfers as transfer
    left join wallet.accounts as source on source.account_id = transfer.source_id
    left join wallet.accounts as target on target.account_id = transfer.target_id
    where transfer.amount_minor <= 0
       or transfer.source_id = transfer.target_id
       or source.currency is distinct from transfer.currency
       or target.currency is distinct from transfer.currency
    order by transfer.transfer_id
"""

_BALANCES_ARE_SUMS: Final = """
    select account.account_id, account.owner, account.currency, account.version, account.available_minor, account.held_minor,
           coalesce(entries.available_minor, 0) as entries_available_minor, coalesce(entries.held_minor, 0) as entries_held_minor,
           newest.available_after_minor as newest_available_minor, newest.held_after_minor as newest_held_minor
    from wallet.accounts as account
    left join (
        select account_id, sum(change_minor) as available_minor, sum(held_change_minor) as held_minor, max(version) as version
        from wallet.entries group by account_id
    ) as entries using (account_id)
    left join wallet.entries as newest on newest.account_id = account.account_id and newest.version = entries.version
    where account.kind = 'user'
      and (
          (account.available_minor, account.held_minor, account.version)
              <> (coalesce(entries.available_minor, 0), coalesce(entries.held_minor, 0), coalesce(entries.version, 0))
          or (account.available_minor, account.held_minor)
              <> (coalesce(newest.available_after_minor, 0), coalesce(newest.held_after_minor, 0))
      )
    order by account.account_id
"""

# Along each account: 1, 2, 3 …; each balance after is the sum so far; time does not go back (lists seek by it).
_VERSIONS_HAVE_NO_GAP: Final = """
    select account_id, version, expected_version, available_after_minor, expected_available_minor, held_after_minor, expected_held_minor,
           created_at, previous_created_at
    from (
        select account_id, version, available_after_minor, held_after_minor, created_at,
               row_number() over in_order as expected_version,
               sum(change_minor) over in_order as expected_available_minor,
               sum(held_change_minor) over in_order as expected_held_minor,
               lag(created_at) over in_order as previous_created_at
        from wallet.entries
        window in_order as (partition by account_id order by version)
    ) as entry
    where version <> expected_version
       or available_after_minor <> expected_available_minor
       or held_after_minor <> expected_held_minor
       or created_at < previous_created_at
    order by account_id, version
"""

# A side that is a user's account changes available; one that is what a user has held changes held, of that user's account. So what settles
# a hold has changed held alone.
_ENTRIES_AGREE_WITH_TRANSFERS: Final = """
    select entry.account_id, entry.version, entry.transfer_id, entry.kind, entry.change_minor, entry.held_change_minor,
           account.kind as account_kind, transfer.kind as transfer_kind, transfer.source_id, transfer.target_id, transfer.amount_minor
    from wallet.entries as entry
    left join wallet.transfers as transfer using (transfer_id)
    left join wallet.accounts as account on account.account_id = entry.account_id
    left join wallet.accounts as source on source.account_id = transfer.source_id
    left join wallet.accounts as target on target.account_id = transfer.target_id
    where transfer.transfer_id is null
       or account.kind is distinct from 'user'
       or entry.kind <> transfer.kind
       or entry.account_id not in (coalesce(source.holder_id, source.account_id), coalesce(target.holder_id, target.account_id))
       or entry.change_minor <> case entry.account_id
              when transfer.target_id then transfer.amount_minor
              when transfer.source_id then -transfer.amount_minor
              else 0
          end
       or entry.held_change_minor <> case entry.account_id
              when target.holder_id then transfer.amount_minor
              when source.holder_id then -transfer.amount_minor
              else 0
          end
    order by entry.account_id, entry.version
"""

# One entry even where both sides are the same user's: money that is held or given back.
_TRANSFERS_MOVED_THEIR_ACCOUNTS: Final = """
    select side.transfer_id, side.reference, account.account_id, account.owner, count(entry.version) as entries
    from (
        select transfer.transfer_id, transfer.reference, coalesce(account.holder_id, account.account_id) as account_id
        from wallet.transfers as transfer join wallet.accounts as account on account.account_id = transfer.source_id
        union
        select transfer.transfer_id, transfer.reference, coalesce(account.holder_id, account.account_id)
        from wallet.transfers as transfer join wallet.accounts as account on account.account_id = transfer.target_id
    ) as side
    join wallet.accounts as account on account.account_id = side.account_id and account.kind = 'user'
    left join wallet.entries as entry on entry.transfer_id = side.transfer_id and entry.account_id = side.account_id
    group by side.transfer_id, side.reference, account.account_id, account.owner
    having count(entry.version) <> 1
    order by side.transfer_id, account.account_id
"""

# Held three times over: as the user's running balance, as the sum of what moved to the 'held' account, and as what open holds hold.
_HELD_IS_WHAT_HOLDS_HOLD: Final = """
    select holder.account_id, holder.owner, holder.currency, holder.held_minor, coalesce(moved.held_minor, 0) as transfers_minor,
           coalesce(open.held_minor, 0) as holds_minor
    from wallet.accounts as holder
    left join (
        select account.holder_id as account_id, sum(side.change_minor) as held_minor
        from (
            select target_id as account_id, amount_minor as change_minor from wallet.transfers
            union all
            select source_id, -amount_minor from wallet.transfers
        ) as side
        join wallet.accounts as account on account.account_id = side.account_id and account.kind = 'held'
        group by account.holder_id
    ) as moved using (account_id)
    left join (
        select account_id, sum(amount_minor) as held_minor from wallet.holds where state = 'held' group by account_id
    ) as open using (account_id)
    where holder.kind = 'user'
      and (holder.held_minor <> coalesce(moved.held_minor, 0) or holder.held_minor <> coalesce(open.held_minor, 0))
    order by holder.account_id
"""

BOOK: Final = (
    Invariant("A", "the whole book sums to zero in each currency", _BOOK_SUMS_TO_ZERO),
    Invariant("A", "each transfer moves one sum between two accounts of its currency", _TRANSFERS_ARE_WELL_FORMED),
    Invariant("A", "every balance is the sum of its entries, and what its newest entry says", _BALANCES_ARE_SUMS),
    Invariant("A", "versions run from 1 without a gap, each balance after is the sum so far", _VERSIONS_HAVE_NO_GAP),
    Invariant("A", "every entry agrees with its transfer", _ENTRIES_AGREE_WITH_TRANSFERS),
    Invariant("A", "every transfer has one entry in each user's account that it moved", _TRANSFERS_MOVED_THEIR_ACCOUNTS),
    Invariant("A", "what users have held is what moved there, and what their open holds hold", _HELD_IS_WHAT_HOLDS_HOLD),
)
