"""Invariant B: each successful provider payment is booked exactly once, as it was paid; nothing moves without its cause."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant

# What a completed payment has to be in the book, a row a transfer: what its owner gets, the fee, and, of one from the balance, what the
# payer gave. One that suspended money was assigned to comes out of suspense, under the item's name. A reference is unique among payments
# and among transfers, so that one matching transfer is exactly one. A payment that has just been completed has its credit on the way.
_PAYMENTS_ARE_BOOKED: Final = """
    select payment.payment_id, booked.reference, payment.kind, payment.provider, booked.amount_minor, payment.currency,
           booked.source_kind, booked.source_owner, booked.target_kind, booked.target_owner, payment.completed_at, transfer.transfer_id,
           transfer.payment_id as transfer_payment_id, transfer.kind as transfer_kind, transfer.amount_minor as transfer_minor,
           transfer.currency as transfer_currency, source.kind as from_kind, source.owner as from_owner, target.kind as to_kind,
           target.owner as to_owner
    from payments.payments as payment
    cross join lateral (
        select payment.credit_reference as reference, 'payment' as kind, 'user' as source_kind, payment.user_id as source_owner,
               'clearing' as target_kind, payment.provider as target_owner, payment.amount_minor
        where payment.provider = 'balance'
        union all
        select payment.credit_reference || case payment.provider when 'balance' then '#1' else '' end,
               case payment.kind when 'order' then 'payment' else payment.kind end,
               case when starts_with(payment.credit_reference, 'suspense:') then 'suspense' else 'clearing' end, payment.provider,
               case payment.kind when 'order' then 'revenue' else 'user' end,
               case payment.kind when 'order' then 'platform' when 'payment' then payment.mentor_id else payment.user_id end,
               payment.amount_minor - payment.fee_minor
        union all
        select payment.credit_reference || case payment.provider when 'balance' then '#2' else '#1' end, 'fee',
               case when starts_with(payment.credit_reference, 'suspense:') then 'suspense' else 'clearing' end, payment.provider,
               'fees', 'platform', payment.fee_minor
        where payment.fee_minor > 0
    ) as booked
    left join wallet.transfers as transfer on transfer.reference = booked.reference
    left join wallet.accounts as source on source.account_id = transfer.source_id
    left join wallet.accounts as target on target.account_id = transfer.target_id
    where payment.status = 'completed'
      and payment.completed_at < clock_timestamp() - make_interval(secs => $1)
      and (
          (transfer.kind, transfer.payment_id, transfer.amount_minor, transfer.currency)
              is distinct from (booked.kind, payment.payment_id, booked.amount_minor, payment.currency)
          or (source.kind, source.owner, target.kind, target.owner)
              is distinct from (booked.source_kind, booked.source_owner, booked.target_kind, booked.target_owner)
      )
    order by payment.completed_at, booked.reference
"""

# payments decides first, then asks wallet, so a transfer whose cause has not got there is wrong at any time. A transfer is named after its
# cause: '<provider>:<charge>' and its fee, 'balance:<payment>', or '<what it is>:<id>' with the step.
_NOTHING_ELSE_MOVES: Final = """
    select transfer.transfer_id, transfer.reference, transfer.kind, transfer.amount_minor, transfer.currency,
           source.kind as source_kind, source.owner as source_owner, target.kind as target_kind, target.owner as target_owner,
           transfer.payment_id, transfer.created_at
    from (
        select *, regexp_replace(reference, '#[1-9]$', '') as set_reference from wallet.transfers
    ) as transfer
    cross join lateral (
        select split_part(transfer.set_reference, ':', 1) as cause, split_part(transfer.set_reference, ':', 2) as id,
               split_part(transfer.set_reference, ':', 3) as step
    ) as named
    join wallet.accounts as source on source.account_id = transfer.source_id
    join wallet.accounts as target on target.account_id = transfer.target_id
    left join payments.payments as paid on paid.credit_reference = transfer.reference
    left join payments.payments as paid_with_fee on paid_with_fee.credit_reference = transfer.set_reference
    left join payments.payments as from_balance on named.cause = 'balance' and from_balance.payment_id::text = named.id
    left join payments.refunds as refund on named.cause = 'refund' and refund.refund_id::text = named.id
    left join payments.withdrawals as withdrawal on named.cause = 'withdrawal' and withdrawal.withdrawal_id::text = named.id
    left join payments.disputes as dispute on named.cause = 'dispute' and dispute.dispute_id::text = named.id
    left join payments.suspense_items as item on named.cause = 'suspense' and item.item_id::text = named.id
    left join payments.transfers as between_users on named.cause = 'transfer' and between_users.transfer_id::text = named.id
    where not coalesce(
        case named.cause
            when 'balance' then from_balance.provider = 'balance' and from_balance.status in ('pending', 'completed')
                and from_balance.payment_id = transfer.payment_id
            when 'refund' then case named.step
                when '' then refund.state <> 'refused'
                when 'settle' then refund.state in ('settling', 'succeeded', 'reversing') or refund.settled_at is not null
                when 'release' then refund.state in ('releasing', 'failed')
                when 'reversal' then refund.state = 'reversing' or refund.state = 'failed' and refund.settled_at is not null
            end and refund.payment_id = transfer.payment_id
            when 'withdrawal' then case named.step
                when '' then withdrawal.withdrawal_id is not null and withdrawal.refusal is null
                when 'settle' then withdrawal.outcome = 'paid' or withdrawal.status in ('paid', 'returned')
                when 'release' then withdrawal.outcome in ('rejected', 'canceled', 'failed')
                    or withdrawal.status in ('rejected', 'canceled', 'failed')
                when 'returned' then withdrawal.outcome = 'returned' or withdrawal.status = 'returned'
            end
            when 'dispute' then case named.step
                when 'opened' then dispute.state <> 'freeing'
                when 'won' then dispute.state in ('closing', 'won')
            end and dispute.payment_id = transfer.payment_id
            when 'suspense' then case named.step
                when 'received' then item.item_id is not null
                when 'assigned' then starts_with(item.decision, 'assign_')
                when 'refunded' then item.decision = 'refund'
                when 'written-off' then item.decision = 'write_off'
            end
            when 'transfer' then between_users.status <> 'failed'
            else coalesce(paid.payment_id, case when transfer.kind = 'fee' then paid_with_fee.payment_id end) = transfer.payment_id
        end,
        false
    )
    order by transfer.created_at, transfer.reference
"""

_TRANSFERS_ARE_BOOKED: Final = """
    select asked.transfer_id, asked.from_user_id, asked.to_user_id, asked.amount_minor, asked.currency, source.owner as source_owner,
           target.owner as target_owner, transfer.amount_minor as transfer_minor, transfer.currency as transfer_currency
    from payments.transfers as asked
    left join wallet.transfers as transfer on transfer.reference = 'transfer:' || asked.transfer_id
    left join wallet.accounts as source on source.account_id = transfer.source_id
    left join wallet.accounts as target on target.account_id = transfer.target_id
    where asked.status = 'completed'
      and (transfer.amount_minor, transfer.currency, source.kind, source.owner, target.kind, target.owner)
              is distinct from (asked.amount_minor, asked.currency, 'user', asked.from_user_id, 'user', asked.to_user_id)
    order by asked.transfer_id
"""

CREDITS: Final = (
    Invariant("B", "each completed payment is booked once: its owner, its sum, its fee", _PAYMENTS_ARE_BOOKED, settles=True),
    Invariant("B", "each transfer between users is booked as it was asked for", _TRANSFERS_ARE_BOOKED),
    Invariant("B", "nothing moves without its cause", _NOTHING_ELSE_MOVES),
)
