"""The stand-in's refunds: a book of their own, and the refund's reason chooses what becomes of it.

A reason that holds `mock:decline` is declined; `mock:silent` gives no answer until it is asked about; `mock:pending` is taken and settled
2 s later; `mock:fail-later` succeeds and fails 2 s later; all others succeed at once. What happens later is told by a signed event (JSON):
{"id","type":"refund.updated","created","data":{"session_id","charge","refund","refund_id","status","amount_minor","currency","reason"}}.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from services.payments.providers.base import FoundRefund, NoSuchRefund, RefundAccepted, RefundAnswer, RefundDeclined, RefundOrder, Unknown
from services.payments.providers.mock.telling import LEASE, Telling
from shared.contracts.base import new_id
from shared.money import Money
from shared.postgres import Connection, Pool, transaction

LATER: Final = timedelta(seconds=2)
_FAILED_LATER: Final = "the payer's bank sent it back"
_DECLINED: Final = "declined by the mock"
_EXCEEDS: Final = "more than is left of the charge"

Status = Literal["pending", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class MockRefund:
    """One refund as it stands in the mock's book, at the time when it was read."""

    refund_id: UUID
    session_id: UUID
    charge_reference: str
    money: Money
    provider_reference: str
    declined: str | None
    silent: bool
    settles_at: datetime
    fails_at: datetime | None
    status: Status

    @property
    def answer(self) -> RefundAnswer:
        if self.declined is not None:
            return RefundDeclined(self.declined)
        if self.status == "failed":
            return RefundDeclined(_FAILED_LATER)
        return RefundAccepted(self.provider_reference, settled=self.status == "succeeded")


class MockRefunds:
    name: Final = "mock"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        async with transaction(self._pool) as tx:
            refund = await _find(tx, order.refund_id) or await _add(tx, order)
        return Unknown() if refund.silent else refund.answer

    async def find_refund(self, order: RefundOrder) -> FoundRefund:
        async with transaction(self._pool) as tx:
            refund = await _find(tx, order.refund_id)
        return NoSuchRefund() if refund is None else refund.answer


class MockRefundEvents(Telling):
    what = "what becomes of the mock's refunds"
    batch = 50

    async def tell_due(self) -> int:
        async with transaction(self._pool) as tx:
            rows = await tx.fetch(
                f"""
                update payments.mock_refunds set tells_at = clock_timestamp() + $2::interval
                where refund_id in (
                    select refund_id from payments.mock_refunds where tells_at <= clock_timestamp()
                    order by tells_at limit $1 for update skip locked
                )
                returning {_COLUMNS}
                """,  # noqa: S608 - names of ours
                self.batch,
                LEASE,
            )
        if rows:
            await self._publish_all([_told(_refund(row)) for row in rows])
            async with transaction(self._pool) as tx:
                told = [row["refund_id"] for row in rows]
                await tx.execute("update payments.mock_refunds set tells_at = null where refund_id = any($1)", told)
        return len(rows)


def _told(refund: MockRefund) -> tuple[str, bytes, str]:
    """The event that tells its success, or that it has failed after it."""
    failed = refund.fails_at is not None
    event_id = f"evt_{refund.refund_id.hex}_{'failed' if failed else 'succeeded'}"
    data = {
        "session_id": str(refund.session_id),
        "charge": refund.charge_reference,
        "refund": refund.provider_reference,
        "refund_id": str(refund.refund_id),
        "status": "failed" if failed else "succeeded",
        "amount_minor": refund.money.amount_minor,
        "currency": refund.money.currency,
        "reason": _FAILED_LATER if failed else "",
    }
    created = (refund.fails_at or refund.settles_at).isoformat()
    body = orjson.dumps({"id": event_id, "type": "refund.updated", "created": created, "data": data})
    return event_id, body, event_id


_COLUMNS: Final = """
    refund_id, session_id, charge_reference, amount_minor, currency, provider_reference, declined, silent, settles_at, fails_at,
    case when fails_at <= clock_timestamp() then 'failed' when settles_at <= clock_timestamp() then 'succeeded' else 'pending' end as status
"""


async def _find(tx: Connection, refund_id: UUID) -> MockRefund | None:
    row = await tx.fetchrow(f"select {_COLUMNS} from payments.mock_refunds where refund_id = $1", refund_id)  # noqa: S608
    return None if row is None else _refund(row)


async def _add(tx: Connection, order: RefundOrder) -> MockRefund:
    """Writes it down, declined when the charge does not hold as much any more; one that is there already stays as it is."""
    pending, fails = "mock:pending" in order.reason, "mock:fail-later" in order.reason
    row = await tx.fetchrow(
        f"""
        insert into payments.mock_refunds (
            refund_id, session_id, charge_reference, amount_minor, currency, provider_reference, declined, silent, settles_at, fails_at,
            tells_at
        )
        select $1, $2, $3, $4, $5, $6, $7, $8, moment.now + $9::interval, moment.now + $10::interval,
               case when $7::text is null and ($9::interval > interval '0' or $10::interval is not null)
                   then moment.now + coalesce($10, $9)::interval end
        from (select clock_timestamp() as now) as moment
        on conflict (refund_id) do update set refund_id = excluded.refund_id
        returning {_COLUMNS}
        """,  # noqa: S608 - names of ours
        order.refund_id,
        order.session_id,
        order.charge_reference,
        order.money.amount_minor,
        order.money.currency,
        f"re_{new_id().hex}",
        _DECLINED if "mock:decline" in order.reason else _EXCEEDS if await _exceeds(tx, order) else None,
        "mock:silent" in order.reason,
        LATER if pending else timedelta(0),
        LATER if fails else None,
    )
    return _refund(row)


async def _exceeds(tx: Connection, order: RefundOrder) -> bool:
    """Would more go back than the session's charge brought? Asked under the session's lock, so that no two refunds fit in one's place."""
    charged_minor = await tx.fetchval(
        """
        select coalesce(paid_amount_minor, amount_minor) from payments.mock_sessions
        where session_id = $1 and charge_reference = $2 for update
        """,
        order.session_id,
        order.charge_reference,
    )
    if charged_minor is None:
        return False  # a charge that only the mock's controls know
    back_minor = await tx.fetchval(
        """
        select coalesce(sum(amount_minor), 0) from payments.mock_refunds
        where charge_reference = $1 and declined is null and (fails_at is null or fails_at > clock_timestamp())
        """,
        order.charge_reference,
    )
    return bool(back_minor + order.money.amount_minor > charged_minor)


def _refund(row: Any) -> MockRefund:
    return MockRefund(
        refund_id=row["refund_id"],
        session_id=row["session_id"],
        charge_reference=row["charge_reference"],
        money=Money(row["amount_minor"], row["currency"]),
        provider_reference=row["provider_reference"],
        declined=row["declined"],
        silent=row["silent"],
        settles_at=row["settles_at"],
        fails_at=row["fails_at"],
        status=row["status"],
    )
