"""Invariants B, C and D as payments counts: beside a payment what its refunds and its order say; holds have ended as their sagas did;
nothing under way is forgotten."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant

# Counted with each step, in one transaction: it keeps refunds from giving back more than was paid.
_COUNTED_WITH_THEIR_PAYMENT: Final = """
    select payment.payment_id, payment.refunding_minor, payment.refunded_minor, coalesce(refunds.refunding_minor, 0) as under_way_minor,
           coalesce(refunds.refunded_minor, 0) as back_minor
    from payments.payments as payment
    left join (
        select payment_id,
               sum(amount_minor) filter (where state not in ('succeeded', 'reversing', 'failed')) as refunding_minor,
               sum(amount_minor) filter (where state in ('succeeded', 'reversing')) as refunded_minor
        from payments.refunds where state <> 'refused' group by payment_id
    ) as refunds using (payment_id)
    where payment.refunding_minor <> coalesce(refunds.refunding_minor, 0) or payment.refunded_minor <> coalesce(refunds.refunded_minor, 0)
    order by payment.payment_id
"""

# From both sides: the order names its payment, the payment its order; the sum is the order's.
_ORDERS_ARE_PAID_ONCE: Final = """
    select paid.order_id, paid.paid_payment_id, payment.payment_id, payment.status, paid.amount_minor, payment.amount_minor as payment_minor
    from payments.orders as paid
    full join (select * from payments.payments where kind = 'order' and status = 'completed') as payment
           on payment.order_id = paid.order_id
    where (paid.paid_payment_id is not null or payment.payment_id is not null)
      and (paid.paid_payment_id, paid.amount_minor, paid.currency)
              is distinct from (payment.payment_id, payment.amount_minor, payment.currency)
    order by paid.order_id
"""

# payments writes an end down after wallet has made it. A hold that was called off before it came is released, of nobody.
_HOLDS_ENDED_AS_THEIR_SAGAS: Final = """
    select ended.hold, ended.step, ended.expected, hold.state, ended.amount_minor, hold.amount_minor as held_minor
    from (
        select 'refund:' || refund_id as hold, state as step, held_minor as amount_minor,
               case when settled_at is not null then 'settled' else 'released' end as expected
        from payments.refunds where state in ('succeeded', 'reversing', 'failed') and held_minor is not null
        union all
        select 'withdrawal:' || withdrawal_id, status, amount_minor,
               case when status in ('paid', 'returned') then 'settled' else 'released' end
        from payments.withdrawals where refusal is null and (step = 'done' or status in ('paid', 'returned'))
    ) as ended
    left join wallet.holds as hold on hold.reference = ended.hold
    where hold.state is distinct from ended.expected or hold.account_id is not null and hold.amount_minor <> ended.amount_minor
    order by ended.hold
"""

# Whoever takes a step moves its next time on, so that what was due long ago is looked at by nobody. A session that is long over is closed
# as soon as its provider tells.
_NOTHING_IS_FORGOTTEN: Final = """
    select cause, state, next_at
    from (
        select 'refund:' || refund_id as cause, state, next_at from payments.refunds
        union all select 'withdrawal:' || withdrawal_id, step, next_at from payments.withdrawals
        union all select 'dispute:' || dispute_id, state, next_at from payments.disputes
        union all select 'suspense:' || item_id, status, next_at from payments.suspense_items
        union all select 'transfer:' || transfer_id, status, next_at from payments.transfers
        union all select 'order:' || order_id, fulfilment, next_at from payments.orders
        union all select 'payment:' || payment_id, status, coalesce(expires_at + interval '1 day', reconcile_at)
        from payments.payments where status = 'pending'
    ) as under_way
    where next_at < clock_timestamp() - make_interval(secs => $1) - interval '2 minutes'
    order by next_at
"""

COUNTED: Final = (
    Invariant("B", "what of each payment is back, or on its way, is what its refunds are", _COUNTED_WITH_THEIR_PAYMENT),
    Invariant("B", "each order is paid by one payment, whose sum is its own", _ORDERS_ARE_PAID_ONCE),
    Invariant("C", "each hold has ended as its refund or withdrawal has", _HOLDS_ENDED_AS_THEIR_SAGAS),
    Invariant("D", "nothing under way is forgotten", _NOTHING_IS_FORGOTTEN, settles=True),
)
