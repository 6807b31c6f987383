"""A withdrawal's way: hold, payout, then settle or release; every step can be repeated, and goes on from the row after any crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson
import structlog
from prometheus_client import Counter

from services.payments.domain import refusals
from services.payments.domain import withdrawals as domain
from services.payments.domain.facts import KEY_LIFE, Fact, PayoutTold
from services.payments.domain.payments import Payment
from services.payments.domain.withdrawal_decisions import Against, Moved, told
from services.payments.domain.withdrawals import MANUAL, Status, Step, Withdrawal
from services.payments.ledger import Ledger, Silent
from services.payments.providers.base import PaidOut, PayoutAnswer, PayoutDeclined, PayoutOrder, Payouts, PayoutTaken, Unknown
from services.payments.store import due
from services.payments.store import withdrawals as store
from services.payments.store.payments import SCHEMA
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import WithdrawalUpdated
from shared.contracts.wallet_commands import Account, Leg, MoveFunds, ReleaseHold, ReserveFunds, SettleHold
from shared.delivery import outbox
from shared.delivery.relay import Relay
from shared.postgres import Connection, Pool, connection, transaction
from shared.sealing import Seal

log = structlog.get_logger(__name__)

PURPOSE: Final = "destination"

ENDED = Counter("purser_withdrawals_total", "Withdrawals by what became of them", ["method", "status"])

STEP_SECONDS: Final = 6.0
"""How long whoever takes a step is left alone with it: a little longer than wallet is waited for."""
_SENDING_SECONDS: Final = 12.0
"""Likewise for a payout; when it is sent twice at once after all, it has the same key."""
_STEPS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class WithdrawalSaga:
    """`auto_approve`: currency -> minor units a user and day that nobody needs to approve."""

    pool: Pool
    ledger: Ledger
    payouts: Mapping[str, Payouts]
    seal: Seal
    relay: Relay
    auto_approve: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "withdrawals"

    async def take_due(self, limit: int) -> Sequence[UUID]:
        async with transaction(self.pool) as tx:
            return await due.take_due(tx, "withdrawals", limit)

    async def advance(self, saga_id: UUID) -> None:
        await self.go_on(saga_id, send=True)

    async def go_on(self, withdrawal_id: UUID, *, send: bool = False) -> Withdrawal:
        """Takes as many steps as can be taken now, those of the payout only with `send`; the withdrawal as it is then."""
        for _ in range(_STEPS_MAX):
            withdrawal = await self._find(withdrawal_id)
            try:
                moved = await self._step(withdrawal, send=send)
            except Silent:
                moved = False  # asked again when it is due
            if not moved:
                break
        return await self._find(withdrawal_id)

    async def release(self, withdrawal: Withdrawal) -> int:
        """Releases the hold of one that was called off, and tells it; what is available again, in minor units. Silent."""
        answer = await self.ledger.release(
            ReleaseHold(correlation_id=withdrawal.correlation_id, reference=withdrawal.hold_reference),
        )
        if isinstance(answer, Refused):
            _say_refused(withdrawal, answer)
            return 0
        await self._move(withdrawal, lambda now: domain.through(now, utc_now()))
        return answer.released_minor

    async def follow(self, tx: Connection, fact: Fact, _: Payment | None, correlation_id: str) -> str:
        """Writes down what a provider tells of a payout; the outcome's name."""
        assert isinstance(fact, PayoutTold)
        withdrawal = await store.lock(tx, fact.withdrawal_id)
        if withdrawal is None:
            return "unknown_payout"
        match told(withdrawal, fact, utc_now()):
            case Moved(moved):
                await self.write(tx, withdrawal, moved, next_in_seconds=0)
                return "applied"
            case Against(code):
                return code
            case _:
                return "unchanged"

    async def write(self, tx: Connection, former: Withdrawal, withdrawal: Withdrawal, *, next_in_seconds: float = STEP_SECONDS) -> None:
        """Writes the new state of a locked withdrawal, and tells its owner's open pages when it is another than they know."""
        saved = await store.save(tx, former, withdrawal, next_in_seconds=next_in_seconds)
        assert saved  # it is locked
        became_known = former.step is Step.RESERVING and withdrawal.step in (Step.WAITING, Step.APPROVED)
        if became_known or (withdrawal.status is not former.status and withdrawal.refusal is None):
            await outbox.append(tx, SCHEMA, [(withdrawal.user_id, _updated(withdrawal))])

    async def _step(self, withdrawal: Withdrawal, *, send: bool) -> bool:
        """Takes the next step; False when there is none to take now."""
        match withdrawal.step:
            case Step.RESERVING:
                return await self._reserve(withdrawal)
            case Step.APPROVED if send:
                return await self._move(withdrawal, lambda now: domain.sending(now, utc_now()), next_in_seconds=_SENDING_SECONDS)
            case Step.SENDING if send and withdrawal.payout_method != MANUAL:
                return await self._send(withdrawal)
            case Step.SETTLING:
                return await self._settle(withdrawal)
            case Step.RELEASING:
                await self.release(withdrawal)
                return (await self._find(withdrawal.withdrawal_id)).step is not Step.RELEASING
            case Step.RETURNING:
                return await self._credit_again(withdrawal)
            case _:
                return False

    async def _reserve(self, withdrawal: Withdrawal) -> bool:
        answer = await self.ledger.reserve(
            ReserveFunds(
                correlation_id=withdrawal.correlation_id,
                reference=withdrawal.hold_reference,
                kind="withdrawal",
                user_id=withdrawal.user_id,
                amount_minor=withdrawal.money.amount_minor,
                currency=withdrawal.money.currency,
            )
        )
        if isinstance(answer, Refused) and answer.code == "insufficient_funds":
            refusal = refusals.insufficient_funds(withdrawal.correlation_id)
            return await self._move(withdrawal, lambda now: domain.refused(now, refusal, utc_now()))
        if isinstance(answer, Refused):
            # Called off while it was being held, or something that must not be: whichever, the row tells.
            return await self._is_elsewhere(withdrawal, answer)
        async with transaction(self.pool) as tx:
            automatic = await self._is_automatic(tx, withdrawal)
            locked = await store.lock(tx, withdrawal.withdrawal_id)
            assert locked is not None
            if locked.step is Step.RESERVING:
                await self.write(tx, locked, domain.held(locked, utc_now(), automatic=automatic), next_in_seconds=0)
        self.relay.wake()
        return True

    async def _is_automatic(self, tx: Connection, withdrawal: Withdrawal) -> bool:
        limit = self.auto_approve.get(withdrawal.money.currency)
        if limit is None or withdrawal.money.amount_minor > limit:
            return False
        # Two at once must not both find room for themselves alone.
        return await store.lock_day_of(tx, withdrawal) + withdrawal.money.amount_minor <= limit

    async def _send(self, withdrawal: Withdrawal) -> bool:
        payouts = self.payouts.get(withdrawal.payout_method)
        if payouts is None:
            log.error("no such payout method is on", method=withdrawal.payout_method, withdrawal_id=str(withdrawal.withdrawal_id))
            return False
        match await self._ask(payouts, withdrawal):
            case PaidOut(reference):
                return await self._move(withdrawal, lambda now: domain.paid_out(now, reference, utc_now()))
            case PayoutDeclined(reason):
                return await self._move(withdrawal, lambda now: domain.not_paid_out(now, reason, utc_now()))
            case PayoutTaken() | Unknown():
                async with transaction(self.pool) as tx:
                    if await store.note_unknown(tx, withdrawal.withdrawal_id):
                        log.warning("payout unknown", withdrawal_id=str(withdrawal.withdrawal_id), correlation_id=withdrawal.correlation_id)
                return False

    async def _ask(self, payouts: Payouts, withdrawal: Withdrawal) -> PayoutAnswer:
        assert withdrawal.destination is not None  # it goes long after the end
        destination: dict[str, str] = orjson.loads(self.seal.open(withdrawal.destination))
        order = PayoutOrder(withdrawal.withdrawal_id, withdrawal.money, destination)
        # Nothing else is written of it while it is being sent. A crash may have kept us from noting that its outcome is unknown.
        sent_at = min(withdrawal.updated_at, withdrawal.unknown_since or withdrawal.updated_at)
        too_late = utc_now() - sent_at > KEY_LIFE
        if too_late or withdrawal.unknown_since is not None:
            answer = await payouts.find_payout(order)
            if too_late or not isinstance(answer, Unknown):
                return answer
        return await payouts.pay_out(order)

    async def _settle(self, withdrawal: Withdrawal) -> bool:
        answer = await self.ledger.settle(
            SettleHold(
                correlation_id=withdrawal.correlation_id,
                reference=withdrawal.hold_reference,
                target=Account(kind="clearing", owner=withdrawal.payout_method),
            )
        )
        if isinstance(answer, Refused):
            return await self._is_elsewhere(withdrawal, answer)
        return await self._move(withdrawal, lambda now: domain.through(now, utc_now()))

    async def _credit_again(self, withdrawal: Withdrawal) -> bool:
        leg = Leg(
            source=Account(kind="clearing", owner=withdrawal.payout_method),
            target=Account(kind="user", owner=withdrawal.user_id),
            amount_minor=withdrawal.money.amount_minor,
        )
        answer = await self.ledger.move(
            MoveFunds(
                correlation_id=withdrawal.correlation_id,
                reference=withdrawal.return_transfer_reference,
                kind="withdrawal",
                currency=withdrawal.money.currency,
                legs=(leg,),
            )
        )
        if isinstance(answer, Refused):
            return await self._is_elsewhere(withdrawal, answer)
        return await self._move(withdrawal, lambda now: domain.through(now, utc_now()))

    async def _move(self, former: Withdrawal, change: Callable[[Withdrawal], Withdrawal], *, next_in_seconds: float = STEP_SECONDS) -> bool:
        """Applies `change` if the withdrawal is still at the former's step; either way it is another now."""
        async with transaction(self.pool) as tx:
            locked = await store.lock(tx, former.withdrawal_id)
            assert locked is not None
            if locked.step is not former.step:
                return True
            moved = change(locked)
            await self.write(tx, locked, moved, next_in_seconds=next_in_seconds)
        self.relay.wake()
        log.info(
            "withdrawal moved",
            withdrawal_id=str(moved.withdrawal_id),
            step=moved.step.value,
            status=moved.status.value,
            correlation_id=moved.correlation_id,
        )
        if moved.step is Step.DONE or moved.status is Status.PAID:
            ENDED.labels(moved.payout_method, moved.status.value).inc()
        return True

    async def _is_elsewhere(self, former: Withdrawal, answer: Refused) -> bool:
        """Whether somebody else has taken the step that wallet refused; if nobody has, somebody has to look."""
        if (await self._find(former.withdrawal_id)).step is not former.step:
            return True
        _say_refused(former, answer)
        return False

    async def _find(self, withdrawal_id: UUID) -> Withdrawal:
        async with connection(self.pool) as db:
            withdrawal = await store.find(db, withdrawal_id)
        assert withdrawal is not None  # they are not deleted
        return withdrawal


def _updated(withdrawal: Withdrawal) -> WithdrawalUpdated:
    return WithdrawalUpdated(
        correlation_id=withdrawal.correlation_id,
        withdrawal_id=withdrawal.withdrawal_id,
        user_id=withdrawal.user_id,
        status=withdrawal.status,
        amount_minor=withdrawal.money.amount_minor,
        currency=withdrawal.money.currency,
        reason=withdrawal.reason,
        updated_at=withdrawal.updated_at,
    )


def _say_refused(withdrawal: Withdrawal, answer: Refused) -> None:
    log.error(
        "wallet refuses a step of a withdrawal, somebody has to look",
        step=withdrawal.step.value,
        code=answer.code,
        withdrawal_id=str(withdrawal.withdrawal_id),
        correlation_id=withdrawal.correlation_id,
    )
