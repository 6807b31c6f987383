"""Invariant F: what looks wrong in a book has its explanation: a balance below zero a dispute, money in suspense its items."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant

# A constraint of the entries lets only a dispute go below zero; what comes in afterwards may leave it there still.
_BELOW_ZERO_AFTER_A_DISPUTE: Final = """
    select account.account_id, account.owner, account.currency, account.available_minor, account.version
    from wallet.accounts as account
    where account.kind = 'user' and account.available_minor < 0
      and not exists (select from wallet.entries as entry where entry.account_id = account.account_id and entry.kind = 'dispute')
    order by account.account_id
"""

# Every item whose money is there, and of those that are just being received or given away perhaps some.
_SUSPENSE_IS_ITS_ITEMS: Final = """
    with held as (
        select account.owner as provider, account.currency, sum(side.change_minor) as suspense_minor
        from (
            select target_id as account_id, amount_minor as change_minor from wallet.transfers
            union all
            select source_id, -amount_minor from wallet.transfers
        ) as side
        join wallet.accounts as account on account.account_id = side.account_id and account.kind = 'suspense'
        group by account.owner, account.currency
    ),
    explained as (
        select provider, currency,
               sum(amount_minor) filter (where next_at is null and settled_at is null) as items_minor,
               sum(amount_minor) filter (where next_at is not null) as moving_minor
        from payments.suspense_items group by provider, currency
    )
    select provider, currency, coalesce(suspense_minor, 0) as suspense_minor, coalesce(items_minor, 0) as items_minor,
           coalesce(moving_minor, 0) as moving_minor
    from held full join explained using (provider, currency)
    where coalesce(suspense_minor, 0) - coalesce(items_minor, 0) not between 0 and coalesce(moving_minor, 0)
    order by provider, currency
"""

# In once and out at most once, both in whole: as the item says, or is about to say.
_ITEMS_MOVED_ONCE: Final = """
    select item.item_id, item.provider, item.currency, item.amount_minor, item.status, item.received_at, item.settled_at,
           coalesce(booked.in_minor, 0) as in_minor, coalesce(booked.out_minor, 0) as out_minor
    from payments.suspense_items as item
    left join (
        select side.item_id, side.currency, account.owner as provider,
               sum(side.amount_minor) filter (where side.is_in) as in_minor,
               sum(side.amount_minor) filter (where not side.is_in) as out_minor
        from (
            select split_part(reference, ':', 2) as item_id, currency, amount_minor, is_in,
                   case when is_in then target_id else source_id end as account_id
            from wallet.transfers cross join (values (true), (false)) as direction (is_in)
            where starts_with(reference, 'suspense:')
        ) as side
        join wallet.accounts as account on account.account_id = side.account_id and account.kind = 'suspense'
        group by side.item_id, side.currency, account.owner
    ) as booked on (booked.item_id, booked.currency, booked.provider) = (item.item_id::text, item.currency, item.provider)
    where coalesce(booked.in_minor, 0) not in (0, item.amount_minor)
       or coalesce(booked.out_minor, 0) not in (0, coalesce(booked.in_minor, 0))
       or item.received_at is not null and booked.in_minor is null
       or item.settled_at is not null and booked.out_minor is null
    order by item.item_id
"""

EXPLAINED: Final = (
    Invariant("F", "what is available is below zero only after a dispute", _BELOW_ZERO_AFTER_A_DISPUTE),
    Invariant("F", "what is in suspense is what its open items are", _SUSPENSE_IS_ITS_ITEMS),
    Invariant("F", "each item came into suspense once and left it at most once", _ITEMS_MOVED_ONCE),
)
