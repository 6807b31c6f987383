"""AllSecure (asxgw.com, a white label of IXOPAY's gateway): debits at its hosted page, asked about by our own id.

One payment is one transaction there: its merchantTransactionId is our session's id, the only idempotency key that the API has, and its uuid
is the charge's reference. A transaction is one attempt: declined, it is over, and the payer begins another payment.

The status API does not repeat the hosted page's address. Where the answer to a debit is lost and the debit turns out to wait for its payer,
nobody can ever come to pay it: the payment is rejected, and its maker begins another one. Should money come for it all the same, its event
is a proof like any other (money for a refused payment is kept in suspense, with an alert).

AllSecure lists nothing, so that this is no `Statements`: a day's comparison asks about each of our own ids. Chargebacks that only an answer
tells of (chargebackData) are not taken from there: each is a transaction of its own, whose callback is repeated for a week.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

import structlog

from services.payments.domain.capabilities import Capabilities
from services.payments.domain.facts import Closed, Declined, Paid
from services.payments.domain.payments import Payment
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.allsecure import events as allsecure_events
from services.payments.providers.allsecure.amounts import CURRENCIES, amount_text, read_amount
from services.payments.providers.allsecure.client import CALL_SECONDS, NAME, AllSecureClient
from services.payments.providers.allsecure.messages import (
    CANCELED_BY_PAYER,
    DUPLICATE,
    EXPIRED,
    Absent,
    Found,
    Made,
    Refused,
    Silent,
    Unserved,
)
from services.payments.providers.base import (
    Accepted,
    BeingPaid,
    Canceled,
    Created,
    Ended,
    Open,
    Payer,
    ProviderEvent,
    Rejected,
    Told,
    Unavailable,
    Unknown,
)
from shared.contracts.base import utc_now
from shared.money import MoneyError

log = structlog.get_logger(__name__)

QUESTIONS_PER_MINUTE: Final = 40
"""Of 60 that an API user has, unless more was agreed; the rest is for those who wait: confirming, refunds, payouts, lost answers."""

LOST_ADDRESS: Final = "The payment page could not be opened; nothing was charged, please start again."
_NOT_ASKED_FOR: Final = "AllSecure wants this paid in a way that is not offered here."

_UNDER_WAY: Final = timedelta(seconds=CALL_SECONDS + 5)
"""A debit that is so young may still be somebody's whose answer is on its way to the row."""

_DESCRIPTION_MAX: Final = 255
_EMAIL_MAX: Final = 255
_IDENTIFICATION_MAX: Final = 36
_URL_MAX: Final = 2_048


class AllSecureProvider:
    """`callback_url`: as AllSecure calls it, https on port 443 in production."""

    name: Final = NAME
    capabilities: Final = Capabilities(refund=True, status=True, cancel=False, payout=True, dispute=True)
    currencies: Final = CURRENCIES

    def __init__(
        self, client: AllSecureClient, pages: ReturnPages, *, callback_url: str, questions_per_minute: int = QUESTIONS_PER_MINUTE
    ) -> None:
        self._client = client
        self._pages = pages
        self._callback_url = callback_url
        self.questions_per_minute: Final = questions_per_minute

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        until = self._client.until()
        if again:
            match await self._ask(payment, until):
                case Found() as found:
                    return self._begun_before(found, payment, again=True)
                case Silent():
                    return Unknown()
        match await self._client.transact("debit", self._debit(payment, payer), until):
            case Made() as made:
                return self._answered(made, payment)
            case Refused(problem) if problem.number != DUPLICATE:
                return Rejected(problem.shown)
            case Unserved(reason):
                return Unavailable(reason)
        # Lost, or there already: whichever, it has our id.
        found_now = await self._ask(payment, until)
        return self._begun_before(found_now, payment, again=again) if isinstance(found_now, Found) else Unknown()

    async def find(self, payment: Payment) -> Told:
        found = await self._ask(payment, self._client.until())
        if isinstance(found, Silent):
            return Unknown()
        # What has not arrived may be on its way still, so its session is open like one that waits for its payer.
        return Open(expired=False) if isinstance(found, Absent) else _told(found, payment)

    async def cancel(self, payment: Payment) -> Ended:
        match told := await self.find(payment):
            case Open(being_paid=True):
                return BeingPaid()
            case Open():
                return Canceled(still_payable=True)
            case _:
                return told

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        return allsecure_events.read_event(headers, body)

    async def _ask(self, payment: Payment, until: float) -> Found | Absent | Silent:
        found = await self._client.ask(str(payment.session_id), until)
        if isinstance(found, Found) and found.kind != "DEBIT":
            log.error("a session's id is another transaction's at AllSecure", kind=found.kind[:40], payment_id=str(payment.payment_id))
            return Silent("another transaction")
        return found

    def _debit(self, payment: Payment, payer: Payer) -> dict[str, Any]:
        failure = self._pages.failure(payment)
        fields: dict[str, Any] = {
            "merchantTransactionId": str(payment.session_id),
            "amount": amount_text(payment.money),
            "currency": payment.money.currency.upper(),
            "successUrl": self._pages.success(payment),
            "cancelUrl": failure,
            "errorUrl": failure,
            "callbackUrl": self._callback_url,
            "description": payment.title[:_DESCRIPTION_MAX],
            "merchantMetaData": str(payment.payment_id),
            "language": payment.locale[:2],
        }
        customer = {}
        # What does not fit would have the whole payment refused.
        if payment.user_id is not None and len(payment.user_id) <= _IDENTIFICATION_MAX:
            customer["identification"] = payment.user_id
        if payer.email and len(payer.email) <= _EMAIL_MAX:
            customer["email"] = payer.email
        return fields | ({"customer": customer} if customer else {})

    def _answered(self, made: Made, payment: Payment) -> Created:
        match made.return_type:
            case "REDIRECT" if _is_address(made.redirect_url):
                return self._accepted(payment, made.uuid, made.redirect_url)
            case "FINISHED" | "PENDING":
                # Paid, or soon decided, without a page of theirs: the callback or the reconciler completes it.
                return self._accepted(payment, made.uuid)
            case "ERROR":
                return Rejected(made.problem.shown)
            case _:
                # HTML to be shown, or something newer; neither was asked for, and nobody will see it.
                log.error("AllSecure answers a debit in an unknown way", return_type=made.return_type[:40], uuid=made.uuid)
                return Rejected(_NOT_ASKED_FOR)

    def _begun_before(self, found: Found, payment: Payment, *, again: bool) -> Created:
        """Of a debit that is there, whose answer is lost."""
        match found.status:
            case "SUCCESS" | "PENDING":
                return self._accepted(payment, found.uuid)
            case "REDIRECT" if _is_address(found.redirect_url):
                return self._accepted(payment, found.uuid, found.redirect_url)
            case "REDIRECT" if again and utc_now() - payment.created_at < _UNDER_WAY:
                return Unknown()
            case "REDIRECT":
                log.error(
                    "a hosted page's address is lost, the payer has to begin again", payment_id=str(payment.payment_id), uuid=found.uuid
                )
                return Rejected(LOST_ADDRESS)
            case "ERROR" | "CANCELLED":
                return Rejected(found.problem.shown)
            case _:
                return Unknown()

    def _accepted(self, payment: Payment, uuid: str, url: str | None = None) -> Accepted:
        assert payment.expires_at is not None
        return Accepted(url or self._pages.success(payment), payment.expires_at, provider_reference=uuid)


def _told(found: Found, payment: Payment) -> Told:
    assert payment.session_id is not None
    match found.status:
        case "SUCCESS":
            try:
                money = read_amount(found.amount or "", found.currency or "")
            except MoneyError as error:
                log.error("AllSecure tells of a sum that is none", payment_id=str(payment.payment_id), problem=str(error))
                return Unknown()
            return Paid(payment.session_id, found.uuid, money, utc_now())
        case "CANCELLED":
            return Closed(payment.session_id, utc_now())
        case "ERROR" if found.problem.number in (CANCELED_BY_PAYER, EXPIRED):
            return Closed(payment.session_id, utc_now())
        case "ERROR":
            return Declined(payment.session_id, utc_now())
        case "REDIRECT":
            return Open(expired=False)
        case "PENDING":
            return Open(expired=False, being_paid=True)
        case _:
            return Unknown()


def _is_address(url: str | None) -> TypeGuard[str]:
    """Is it one that a browser may be sent to?"""
    if url is None or not 0 < len(url) <= _URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
