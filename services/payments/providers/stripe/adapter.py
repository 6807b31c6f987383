"""Stripe: a payment is a PaymentIntent, which the payer's browser finishes on our own page with its client secret."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import structlog

from services.payments.domain.capabilities import Capabilities
from services.payments.domain.facts import Closed, Paid
from services.payments.domain.payments import Payment
from services.payments.domain.return_pages import ReturnPages
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
from services.payments.providers.stripe import events as stripe_events
from services.payments.providers.stripe.amounts import CURRENCIES, NotExact, to_stripe
from services.payments.providers.stripe.client import CALL_SECONDS, NAME, NoAnswer, NotServed, SaidNo, StripeApi
from services.payments.providers.stripe.objects import KIND, PAYMENT, SESSION, Charge, Intent, latest_moment, moment
from shared.contracts.base import utc_now

if TYPE_CHECKING:
    from stripe.params._payment_intent_create_params import PaymentIntentCreateParams

log = structlog.get_logger(__name__)

_REASONS: Final = {
    "amount_too_small": "the amount is too small",
    "amount_too_large": "the amount is too large",
    "email_invalid": "the e-mail address is not valid",
}


class StripeProvider:
    name: Final = NAME
    capabilities: Final = Capabilities(refund=True, status=True, cancel=True, payout=False, dispute=True)
    currencies: Final = CURRENCIES

    def __init__(self, api: StripeApi, pages: ReturnPages, *, session_ttl: timedelta) -> None:
        self._api = api
        self._pages = pages
        self._session_ttl = session_ttl

    @property
    def questions_per_minute(self) -> int:
        """A good third of what Stripe serves (100 requests a second, in test mode 25): payers come first, and a question may be two
        requests."""
        return 2_400 if self._api.live else 600

    async def create(self, payment: Payment, payer: Payer, *, again: bool) -> Created:
        """Stripe forgets a key after a day or later, and keeps even a failure of its own (500) as the answer to one: then another request
        makes another PaymentIntent, but the answered one is the only one whose client secret ever leaves this process, and which one that
        is does not depend on who asks. So there is never a second one that anybody could pay."""
        params: PaymentIntentCreateParams = {
            "amount": to_stripe(payment.money),
            "currency": payment.money.currency,
            # Which methods there are is decided at Stripe's own site; naming them here (payment_method_types) is refused since endive.
            "automatic_payment_methods": {"enabled": True},
            "description": payment.title,
            "metadata": {SESSION: str(payment.session_id), PAYMENT: str(payment.payment_id), KIND: payment.kind},
        }
        if payer.email is not None:
            params["receipt_email"] = payer.email
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return self._accepted(payment, await self._created(payment, params))
        except SaidNo as no:
            return Rejected(_REASONS.get(no.code, "it does not take this payment"))
        except NotServed as refusal:
            return Unavailable(str(refusal))
        except (NoAnswer, TimeoutError):
            return Unknown()

    async def find(self, payment: Payment) -> Told:
        """Without Stripe's own reference nobody has had a client secret, so nobody can have paid, and there is nothing to ask."""
        if payment.provider_reference is None:
            return Open(expired=False)
        request = partial(self._api.v1.payment_intents.retrieve_async, payment.provider_reference, {"expand": ["latest_charge"]})
        try:
            intent = await self._api.call("find", Intent, request, payment_id=str(payment.payment_id))
        except SaidNo as no:
            log.error(
                "Stripe does not know a payment of ours: is it another account's key?", payment_id=str(payment.payment_id), code=no.code
            )
            return Unknown()
        except (NotServed, NoAnswer):
            return Unknown()
        return _told(payment, intent)

    async def cancel(self, payment: Payment) -> Ended:
        """BeingPaid while the money is on its way (`processing`): then Stripe cancels nothing."""
        if payment.provider_reference is None:
            return Canceled()
        # A key of its own: what was refused once may be possible now, and must not be answered from memory.
        request = partial(
            self._api.v1.payment_intents.cancel_async,
            payment.provider_reference,
            {"cancellation_reason": "abandoned"},
            {"idempotency_key": str(uuid4())},
        )
        try:
            intent = await self._api.call("cancel", Intent, request, payment_id=str(payment.payment_id))
        except SaidNo:
            # It is in a state that cannot be canceled: paid, canceled already, or being paid.
            told = await self.find(payment)
        except (NotServed, NoAnswer):
            return Unknown()
        else:
            told = _told(payment, intent)
        match told:
            case Closed():
                return Canceled()
            case Paid():
                return told
            case Open(being_paid=True):
                return BeingPaid()
            case _:
                return Unknown()

    def read_event(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        return stripe_events.read(body, live=self._api.live)

    async def _created(self, payment: Payment, params: PaymentIntentCreateParams) -> Intent:
        key = f"pi-create-{payment.session_id}"
        for suffix in ("", "-2", "-3"):
            request = partial(self._api.v1.payment_intents.create_async, params, {"idempotency_key": key + suffix})
            try:
                return await self._api.call("create", Intent, request, payment_id=str(payment.payment_id))
            except NoAnswer as silence:
                if not silence.kept:
                    raise
        raise NoAnswer

    def _accepted(self, payment: Payment, intent: Intent) -> Created:
        if intent.client_secret is None or intent.session_id != payment.session_id:
            log.error("Stripe's answer is not about the payment that it was asked for", payment_id=str(payment.payment_id), found=intent.id)
            return Unknown()
        return Accepted(
            payment_url=self._pages.pay(payment),
            expires_at=payment.expires_at or payment.created_at + self._session_ttl,
            provider_reference=intent.id,
            client_secret=intent.client_secret,
        )


def _told(payment: Payment, intent: Intent) -> Paid | Closed | Open | Unknown:
    assert payment.session_id is not None
    about = {"payment_id": str(payment.payment_id), "found": intent.id}
    if intent.session_id != payment.session_id:
        log.error("Stripe's answer is not about the payment that it was asked for", **about)
        return Unknown()
    match intent.status:
        case "succeeded":
            paid_at = moment(intent.latest_charge.created) if isinstance(intent.latest_charge, Charge) else utc_now()
            try:
                return Paid(payment.session_id, intent.id, intent.received, paid_at)
            except NotExact as error:
                log.error("Stripe was paid a sum that our units cannot say", error=str(error), **about)
                return Unknown()
        case "canceled":
            return Closed(payment.session_id, utc_now() if intent.canceled_at is None else latest_moment(intent.canceled_at))
        case "processing":
            return Open(expired=False, being_paid=True)
        case "requires_payment_method" | "requires_confirmation" | "requires_action" | "requires_capture":
            # After a declined attempt, too: it can be tried again with another card.
            return Open(expired=False)
        case status:
            log.error("Stripe tells a status that nobody here knows", status=status[:40], **about)
            return Unknown()
