"""What Stripe lists of a day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Literal

from services.payments.providers.base import NotStated, StatedCharge, StatedRefund
from services.payments.providers.stripe.amounts import NotExact
from services.payments.providers.stripe.client import NAME, NoAnswer, NotServed, SaidNo, StripeApi
from services.payments.providers.stripe.lists import intents, refunds_made
from services.payments.providers.stripe.objects import Intent, Refund, moment

_PAGES_MAX: Final = 5_000


class StripeStatements:
    """PaymentIntents and refunds by when they were made. Somebody else's in a currency that is not ours are left out."""

    name: Final = NAME

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def charges(self, since: datetime, until: datetime) -> AsyncIterator[StatedCharge]:
        try:
            async for intent in intents(self._api, since, until, pages_max=_PAGES_MAX):
                stated = _charge(intent)
                if stated is not None:
                    yield stated
        except (SaidNo, NotServed, NoAnswer) as error:
            raise NotStated(str(error)) from error

    async def refunds(self, since: datetime, until: datetime) -> AsyncIterator[StatedRefund]:
        try:
            async for refund in refunds_made(self._api, since, until, pages_max=_PAGES_MAX):
                stated = _refund(refund)
                if stated is not None:
                    yield stated
        except (SaidNo, NotServed, NoAnswer) as error:
            raise NotStated(str(error)) from error


def _charge(intent: Intent) -> StatedCharge | None:
    status: Literal["paid", "pending", "closed"] = "pending"
    if intent.status in ("succeeded", "canceled"):
        status = "paid" if intent.status == "succeeded" else "closed"
    try:
        money = intent.received if status == "paid" else intent.asked
    except NotExact as error:
        if intent.session_id is None:
            return None
        raise NotStated(f"{intent.id}: {error}") from error
    return StatedCharge(intent.session_id, intent.id, money, status, moment(intent.created))


def _refund(refund: Refund) -> StatedRefund | None:
    try:
        money = refund.money
    except NotExact as error:
        if refund.refund_id is None:
            return None
        raise NotStated(f"{refund.id}: {error}") from error
    return StatedRefund(refund.refund_id, refund.id, refund.charge_reference, money, refund.outcome, moment(refund.created))
