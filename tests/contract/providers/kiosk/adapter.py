"""Kiosk's adapter: our words in, our words out. Its payments carry our session's id, its refunds our refund's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from services.payments.domain.capabilities import AmountRange, Capabilities
from services.payments.domain.facts import Closed, Paid
from services.payments.domain.payments import Payment
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.base import (
    Accepted,
    Canceled,
    Created,
    Ended,
    FoundRefund,
    NoSuchRefund,
    Open,
    Payer,
    ProviderEvent,
    RefundAccepted,
    RefundAnswer,
    RefundDeclined,
    RefundOrder,
    Rejected,
    Told,
    Unavailable,
    Unknown,
)
from shared.money import MoneyError
from tests.contract.providers.kiosk import messages
from tests.contract.providers.kiosk.client import NAME, KioskClient, NotServed, NoWord, SaysNo

log = structlog.get_logger(__name__)


class KioskProvider:
    name: Final = NAME
    capabilities: Final = Capabilities(refund=True, status=True, cancel=True, payout=False, dispute=True)
    currencies: Final[Mapping[str, AmountRange]] = dict.fromkeys(("eur", "rsd", "usd", "jpy", "kwd"), AmountRange())
    questions_per_minute: Final = None

    def __init__(self, client: KioskClient, pages: ReturnPages, notify_url: str) -> None:
        self._client = client
        self._pages = pages
        self._notify_url = notify_url

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        """The session's id is Kiosk's reference, so that asking again cannot make a second one."""
        assert payment.expires_at is not None
        asked = {
            "reference": str(payment.session_id),
            "amount": payment.money.major,
            "currency": payment.money.currency.upper(),
            "description": payment.title,
            "return_url": self._pages.success(payment),
            "notify_url": self._notify_url,
        }
        try:
            made = await self._client.request("create", messages.Payment, "/payments", asked)
        except SaysNo as no:
            return Rejected(str(no))
        except NotServed as refusal:
            return Unavailable(str(refusal))
        except NoWord:
            return Unknown()
        return Accepted(made.pay_url, payment.expires_at, provider_reference=made.id)

    async def find(self, payment: Payment) -> Told:
        try:
            return _told(payment, await self._client.question("find", messages.Payment, f"/payments/{payment.session_id}"))
        except SaysNo:
            # Kiosk has never heard of it, so nobody can have paid.
            return Open(expired=False)
        except (NotServed, NoWord):
            return Unknown()

    async def cancel(self, payment: Payment) -> Ended:
        try:
            told = _told(payment, await self._client.request("cancel", messages.Payment, f"/payments/{payment.session_id}/cancel", {}))
        except SaysNo:
            return Canceled()
        except (NotServed, NoWord):
            return Unknown()
        # What is still open after that was not canceled, whatever the answer's status was.
        return Unknown() if isinstance(told, Open) else Canceled() if isinstance(told, Closed) else told

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        return messages.read_event(body)


class KioskRefunds:
    def __init__(self, client: KioskClient) -> None:
        self._client = client

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        asked = {"reference": str(order.refund_id), "payment": order.charge_reference, "amount": order.money.major}
        try:
            return _answer(await self._client.request("refund", messages.Refund, "/refunds", asked))
        except SaysNo as no:
            return RefundDeclined(str(no))
        except (NotServed, NoWord):
            return Unknown()

    async def find_refund(self, order: RefundOrder) -> FoundRefund:
        try:
            return _answer(await self._client.question("find_refund", messages.Refund, f"/refunds/{order.refund_id}"))
        except SaysNo:
            return NoSuchRefund()
        except (NotServed, NoWord):
            return Unknown()


def _told(payment: Payment, found: messages.Payment) -> Paid | Closed | Open | Unknown:
    session_id = messages.our_id(found.reference)
    if session_id is None or session_id != payment.session_id:
        log.error("Kiosk tells of another payment than was asked for", payment_id=str(payment.payment_id), found=found.id)
        return Unknown()
    match found.state:
        case "open":
            return Open(expired=False)
        case "cancelled":
            return Closed(session_id, found.changed_at)
        case "paid":
            try:
                return Paid(session_id, found.id, found.money, found.changed_at)
            except MoneyError:
                log.error("Kiosk was paid a sum that our units cannot say", payment_id=str(payment.payment_id), found=found.id)
                return Unknown()


def _answer(refund: messages.Refund) -> RefundAnswer:
    return RefundDeclined(refund.reason or "failed") if refund.state == "failed" else RefundAccepted(refund.id, refund.state == "done")
