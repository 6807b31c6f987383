"""Invariant B: each successful provider payment is credited exactly once, as it was paid; nothing else is credited."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant

# A reference is unique among payments and among transfers, so that one matching transfer is exactly one. A payment that has just been
# completed has its credit on the way.
_PAYMENTS_ARE_CREDITED: Final = """
    select payment.payment_id, payment.credit_reference, payment.user_id, payment.provider, payment.amount_minor, payment.currency,
           payment.completed_at, transfer.transfer_id, transfer.payment_id as credited_payment_id, target.owner as credited_user_id,
           transfer.amount_minor as credited_minor, transfer.currency as credited_currency
    from payments.payments as payment
    left join wallet.transfers as transfer on transfer.reference = payment.credit_reference
    left join wallet.accounts as source on source.account_id = transfer.source_id
    left join wallet.accounts as target on target.account_id = transfer.target_id
    where payment.status = 'completed'
      and payment.completed_at < clock_timestamp() - make_interval(secs => $1)
      and ((transfer.kind, transfer.payment_id, transfer.amount_minor, transfer.currency) is distinct from
              (payment.kind, payment.payment_id, payment.amount_minor, payment.currency)
           or (source.kind, source.owner, target.kind, target.owner) is distinct from
              ('clearing', payment.provider, 'user', payment.user_id))
    order by payment.completed_at
"""

# payments commits first, so a credit without its payment is wrong at any time.
_NOTHING_ELSE_IS_CREDITED: Final = """
    select transfer.transfer_id, transfer.reference, transfer.kind, transfer.amount_minor, transfer.currency,
           target.owner as credited_user_id, transfer.payment_id, transfer.created_at
    from wallet.transfers as transfer
    join wallet.accounts as source on source.account_id = transfer.source_id
    join wallet.accounts as target on target.account_id = transfer.target_id
    left join payments.payments as payment
           on payment.credit_reference = transfer.reference and payment.payment_id = transfer.payment_id and payment.status = 'completed'
    where (source.kind = 'clearing' and target.kind = 'user' or transfer.kind = 'deposit')
      and payment.payment_id is null
    order by transfer.created_at
"""

CREDITS: Final = (
    Invariant("B", "each completed payment is credited once: its owner, its sum", _PAYMENTS_ARE_CREDITED, settles=True),
    Invariant("B", "nothing is credited without a completed payment", _NOTHING_ELSE_IS_CREDITED),
)
