"""AllSecure's refunds of a debit and payouts to its card: transactions of their own, whose key is our refund's or withdrawal's id."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import structlog

from services.payments.providers.allsecure.amounts import Unwritable, amount_text
from services.payments.providers.allsecure.client import NAME, AllSecureClient
from services.payments.providers.allsecure.messages import DUPLICATE, Absent, Found, Made, Refused, Silent, Unserved
from services.payments.providers.base import (
    FoundRefund,
    NoSuchRefund,
    PaidOut,
    PayoutAnswer,
    PayoutDeclined,
    PayoutOrder,
    PayoutTaken,
    RefundAccepted,
    RefundAnswer,
    RefundDeclined,
    RefundOrder,
    Unknown,
)
from shared.money import Money

log = structlog.get_logger(__name__)

_DESCRIPTION_MAX: Final = 255


class AllSecureRefunds:
    """What is refused unserved, as in maintenance, is Unknown: the saga asks again, and sends the same again."""

    name: Final = NAME

    def __init__(self, client: AllSecureClient, *, callback_url: str) -> None:
        self._client = client
        self._callback_url = callback_url

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        until = self._client.until()
        fields = _fields(order.refund_id, order.money, order.charge_reference, self._callback_url)
        if description := " ".join(order.reason.split())[:_DESCRIPTION_MAX]:
            fields["description"] = description
        match await self._client.transact("refund", fields, until):
            case Made(uuid, "FINISHED"):
                return RefundAccepted(uuid, settled=True)
            case Made(uuid, "PENDING"):
                return RefundAccepted(uuid, settled=False)
            case Made(return_type="ERROR", problem=problem):
                return RefundDeclined(problem.shown)
            case Refused(problem) if problem.number != DUPLICATE:
                return RefundDeclined(problem.shown)
            case Unserved():
                return Unknown()
        found = await self._find(order, until)
        return Unknown() if isinstance(found, NoSuchRefund) else found

    async def find_refund(self, order: RefundOrder) -> FoundRefund:
        return await self._find(order, self._client.until())

    async def _find(self, order: RefundOrder, until: float) -> FoundRefund:
        match await _ask(self._client, order.refund_id, "REFUND", until):
            case Found(uuid, "SUCCESS"):
                return RefundAccepted(uuid, settled=True)
            case Found(uuid, "PENDING"):
                return RefundAccepted(uuid, settled=False)
            case Found(status="ERROR" | "CANCELLED", problem=problem):
                return RefundDeclined(problem.shown)
            case Absent():
                return NoSuchRefund()
        return Unknown()


class AllSecurePayouts:
    """To the card that one of the user's own debits was paid with: destination {"type":"card","charge_reference": that debit's uuid}."""

    name: Final = NAME

    def __init__(self, client: AllSecureClient, *, callback_url: str) -> None:
        self._client = client
        self._callback_url = callback_url

    async def pay_out(self, order: PayoutOrder) -> PayoutAnswer:
        until = self._client.until()
        try:
            fields = _fields(order.withdrawal_id, order.money, order.destination["charge_reference"], self._callback_url)
        except Unwritable:
            return PayoutDeclined("AllSecure does not take this amount")
        match await self._client.transact("payout", fields, until):
            case Made(uuid, "FINISHED"):
                return PaidOut(uuid)
            case Made(return_type="PENDING"):
                return PayoutTaken()
            case Made(return_type="ERROR", problem=problem):
                return PayoutDeclined(problem.shown)
            case Refused(problem) if problem.number != DUPLICATE:
                return PayoutDeclined(problem.shown)
            case Unserved():
                return Unknown()
        return await self._find(order, until)

    async def find_payout(self, order: PayoutOrder) -> PayoutAnswer:
        return await self._find(order, self._client.until())

    async def _find(self, order: PayoutOrder, until: float) -> PayoutAnswer:
        match await _ask(self._client, order.withdrawal_id, "PAYOUT", until):
            case Found(uuid, "SUCCESS"):
                return PaidOut(uuid)
            case Found(status="PENDING"):
                return PayoutTaken()
            case Found(status="ERROR" | "CANCELLED", problem=problem):
                return PayoutDeclined(problem.shown)
        return Unknown()


def _fields(key: UUID, money: Money, charge_reference: str, callback_url: str) -> dict[str, Any]:
    return {
        "merchantTransactionId": str(key),
        "amount": amount_text(money),
        "currency": money.currency.upper(),
        "referenceUuid": charge_reference,
        "callbackUrl": callback_url,
    }


async def _ask(client: AllSecureClient, key: UUID, kind: str, until: float) -> Found | Absent | Silent:
    found = await client.ask(str(key), until)
    if isinstance(found, Found) and found.kind != kind:
        log.error("an id of ours is another transaction's at AllSecure", wanted=kind, kind=found.kind[:40], reference=str(key))
        return Silent("another transaction")
    return found
