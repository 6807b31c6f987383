"""Invariants B and C for money going out: booked as it went, held as long as it is on its way, and no longer."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant

# What has left at a provider: its clearing account got as much, from whomever it was taken. What came back went out of it again. Both are
# written down only when wallet has done its part.
_BOOKED_AS_IT_WENT: Final = """
    with gone as (
        select 'refund:' || refund_id as cause, provider, currency, amount_minor + excess_minor as amount_minor,
               'settle' as leaving, state in ('succeeded', 'reversing') or settled_at is not null as has_left,
               'reversal' as returning, state = 'failed' and settled_at is not null as is_back
        from payments.refunds where state <> 'refused'
        union all
        select 'withdrawal:' || withdrawal_id, payout_method, currency, amount_minor,
               'settle', status in ('paid', 'returned'), 'returned', status = 'returned'
        from payments.withdrawals
        union all
        select 'dispute:' || dispute_id, provider, currency, amount_minor,
               'opened', state in ('open', 'closing', 'won', 'lost'), 'won', state = 'won'
        from payments.disputes
    ),
    booked as (
        select side.cause, side.currency, account.owner as provider, side.step, side.is_in, sum(side.amount_minor) as amount_minor
        from (
            select split_part(reference, ':', 1) || ':' || split_part(reference, ':', 2) as cause, currency,
                   split_part(split_part(reference, ':', 3), '#', 1) as step, amount_minor, is_in,
                   case when is_in then target_id else source_id end as account_id
            from wallet.transfers cross join (values (true), (false)) as direction (is_in)
            where reference ~ '^(refund|withdrawal|dispute):'
        ) as side
        join wallet.accounts as account on account.account_id = side.account_id and account.kind = 'clearing'
        group by side.cause, side.currency, account.owner, side.step, side.is_in
    )
    select gone.cause, gone.provider, gone.currency, gone.amount_minor, gone.has_left, gone.is_back,
           coalesce(away.amount_minor, 0) as left_minor, coalesce(back.amount_minor, 0) as back_minor
    from gone
    left join booked as away
           on away.is_in and (away.cause, away.currency, away.provider, away.step)
                           = (gone.cause, gone.currency, gone.provider, gone.leaving)
    left join booked as back
           on not back.is_in and (back.cause, back.currency, back.provider, back.step)
                               = (gone.cause, gone.currency, gone.provider, gone.returning)
    where gone.has_left and away.amount_minor is distinct from gone.amount_minor
       or gone.is_back and back.amount_minor is distinct from gone.amount_minor
    order by gone.cause
"""

# payments looks for the end of a hold before it calls the saga ended: a hold that outlives its saga is forgotten money.
_NO_HOLD_WITHOUT_A_SAGA: Final = """
    select hold.reference, holder.owner, holder.currency, hold.amount_minor, hold.created_at, refund.state as refund_state,
           withdrawal.step as withdrawal_step
    from wallet.holds as hold
    join wallet.accounts as holder using (account_id)
    left join payments.refunds as refund on hold.reference = 'refund:' || refund.refund_id
    left join payments.withdrawals as withdrawal on hold.reference = 'withdrawal:' || withdrawal.withdrawal_id
    where hold.state = 'held'
      and not coalesce(
          refund.state not in ('succeeded', 'reversing', 'failed', 'refused') and refund.owner_id = holder.owner,
          withdrawal.step <> 'done' and withdrawal.user_id = holder.owner,
          false
      )
    order by hold.created_at
"""

# The other way round: what may be sent, or has been, is held until that is settled.
_WHAT_IS_SENT_IS_HELD: Final = """
    select live.hold, live.owner, live.currency, live.amount_minor, live.step, hold.state, hold.amount_minor as held_minor
    from (
        select 'refund:' || refund_id as hold, owner_id as owner, currency, held_minor as amount_minor, state as step
        from payments.refunds where state in ('sending', 'pending') and held_minor is not null
        union all
        select 'withdrawal:' || withdrawal_id, user_id, currency, amount_minor, step
        from payments.withdrawals where step in ('waiting', 'approved', 'sending')
    ) as live
    left join wallet.holds as hold on hold.reference = live.hold
    left join wallet.accounts as holder using (account_id)
    where (hold.state, hold.amount_minor, holder.owner, holder.currency)
              is distinct from ('held', live.amount_minor, live.owner, live.currency)
    order by live.hold
"""

OUTGOING: Final = (
    Invariant("B", "each refund, withdrawal and dispute is booked as it went", _BOOKED_AS_IT_WENT),
    Invariant("C", "no hold without a live refund or withdrawal", _NO_HOLD_WITHOUT_A_SAGA),
    Invariant("C", "what is on its way out is held", _WHAT_IS_SENT_IS_HELD),
)
