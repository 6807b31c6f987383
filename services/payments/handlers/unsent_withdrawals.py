"""Calls off withdrawals that are not sent, when their owner's money is needed elsewhere: for a forced refund, or a dispute."""

from __future__ import annotations

from dataclasses import dataclass

from services.payments.domain.withdrawals import UNSENT, called_off
from services.payments.handlers.withdrawal_saga import WithdrawalSaga
from services.payments.store import audit
from services.payments.store import withdrawals as store
from shared.contracts.base import utc_now
from shared.postgres import connection, transaction


@dataclass(frozen=True, slots=True)
class UnsentWithdrawals:
    saga: WithdrawalSaga

    async def cancel_for(self, user_id: str, currency: str, needed_minor: int, reason: str, actor: str, correlation_id: str) -> int:
        """Cancels the user's withdrawals of that currency that are pending, or approved and not being sent, the newest first and only as
        far as needed; returns when wallet has released their holds: how much became available, in minor units.

        Silent when wallet does not answer. Asked again, it first finishes what was called off before; so `needed_minor` is to be what is
        missing from what is available when it is asked.
        """
        freed_minor = 0
        async with connection(self.saga.pool) as db:
            unfinished = await store.find_called_off(db, user_id, currency)
        for withdrawal in unfinished:
            freed_minor += await self.saga.release(withdrawal)
        while freed_minor < needed_minor:
            async with transaction(self.saga.pool) as tx:
                newest = await store.lock_newest(tx, user_id, currency, UNSENT)
                if newest is None:
                    break
                canceled = called_off(newest, "cancel", actor, reason[:500], utc_now())
                await self.saga.write(tx, newest, canceled)
                await audit.write_down(
                    tx,
                    actor=actor,
                    action="withdrawal.cancel",
                    resource=f"withdrawal:{newest.withdrawal_id}",
                    request_id=correlation_id,
                    reason=reason[:500],
                    amount_minor=newest.money.amount_minor,
                    currency=currency,
                )
            freed_minor += await self.saga.release(canceled)
        return freed_minor
