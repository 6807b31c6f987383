"""Invariants E and G: every committed balance version is pushed, or a newer one is; at rest the outboxes are empty."""

from __future__ import annotations

from typing import Final

from deploy.verification.invariants import Invariant
from shared.delivery.relay import KEEP_SENT_HOURS

# The newest version stands for all before it: frames are absolute. Sent rows are kept for KEEP_SENT_HOURS, so that an account that has not
# moved for longer has no row left to show; one that moved since must have its newest version there, sent.
_NEWEST_VERSIONS_ARE_SENT: Final = f"""
    with newest as (
        select distinct on (key) key, (payload::json ->> 'version')::bigint as version, sent_at
        from wallet.outbox
        where message_type = 'balance.changed.v1'
        order by key, id desc
    )
    select account.account_id, account.owner, account.currency, account.version, account.updated_at,
           newest.version as newest_event_version, newest.sent_at
    from wallet.accounts as account
    left join newest on newest.key = account.account_id::text
    where account.kind = 'user' and account.version > 0
      and account.updated_at < clock_timestamp() - make_interval(secs => $1)
      and case
              when newest.key is null then account.updated_at > clock_timestamp() - interval '{KEEP_SENT_HOURS} hours'
              else newest.version <> account.version or newest.sent_at is null
          end
    order by account.account_id
"""  # noqa: S608 - a constant of ours

_WALLET_OUTBOX_IS_EMPTY: Final = """
    select id, message_type, key, correlation_id, created_at
    from wallet.outbox
    where sent_at is null and created_at < clock_timestamp() - make_interval(secs => $1)
    order by id
"""

_PAYMENTS_OUTBOX_IS_EMPTY: Final = """
    select id, message_type, key, correlation_id, created_at
    from payments.outbox
    where sent_at is null and created_at < clock_timestamp() - make_interval(secs => $1)
    order by id
"""

PUSHES: Final = (
    Invariant("E", "the newest version of every balance was sent", _NEWEST_VERSIONS_ARE_SENT, settles=True),
    Invariant("G", "the wallet's outbox is empty at rest", _WALLET_OUTBOX_IS_EMPTY, settles=True),
    Invariant("G", "the payments' outbox is empty at rest", _PAYMENTS_OUTBOX_IS_EMPTY, settles=True),
)
