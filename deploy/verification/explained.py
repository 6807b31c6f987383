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

EXPLAINED: Final = (Invariant("F", "what is available is below zero only after a dispute", _BELOW_ZERO_AFTER_A_DISPUTE),)
