"""Refunds at Stripe: made under a key of ours, and found again by what we wrote into them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from services.payments.providers.base import FoundRefund, NoSuchRefund, RefundAccepted, RefundAnswer, RefundDeclined, RefundOrder, Unknown
from services.payments.providers.stripe.amounts import NotExact, to_stripe
from services.payments.providers.stripe.client import NAME, NoAnswer, NotServed, SaidNo, StripeApi
from services.payments.providers.stripe.lists import refunds_of
from services.payments.providers.stripe.objects import REFUND, SESSION, Refund
from shared.contracts.base import utc_now

if TYPE_CHECKING:
    from stripe.params._refund_create_params import RefundCreateParams
    from stripe.params._refund_list_params import RefundListParams

log = structlog.get_logger(__name__)

_PAGES_MAX: Final = 5

KEPT_FAILURE_WAITS: Final = timedelta(hours=1)
"""A 500 of Stripe's own is kept as the answer to its key, and what it did may still be rolled forward or back (docs.stripe.com, advanced
error handling). So long after it was first sent a refund that is in no list is believed not to exist, and sent under another key."""

_KEYS: Final = ("", "-2", "-3")


class StripeRefunds:
    name: Final = NAME

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        try:
            params: RefundCreateParams = {
                "amount": to_stripe(order.money),
                "metadata": {REFUND: str(order.refund_id), SESSION: str(order.session_id)},
            }
        except NotExact:
            return RefundDeclined("Stripe does not take such a fraction of the currency")
        if _is_intent(order):
            params["payment_intent"] = order.charge_reference
        else:
            params["charge"] = order.charge_reference
        for suffix in _KEYS:
            request = partial(self._api.v1.refunds.create_async, params, {"idempotency_key": f"refund-{order.refund_id}{suffix}"})
            try:
                return _answer(order, await self._api.call("refund", Refund, request, refund_id=str(order.refund_id)))
            except SaidNo as no:
                return RefundDeclined(no.code)
            except NotServed:
                return Unknown()
            except NoAnswer as silence:
                if not silence.kept or not _is_old(order):
                    return Unknown()
            found = await self._look_for(order)
            if found is not None:
                return found
            log.warning(
                "Stripe keeps its failure of a refund that does not exist: it is sent under another key", refund_id=str(order.refund_id)
            )
        return Unknown()

    async def find_refund(self, order: RefundOrder) -> FoundRefund:
        return await self._look_for(order) or NoSuchRefund()

    async def _look_for(self, order: RefundOrder) -> RefundAnswer | None:
        """By Stripe's own reference; before that is known, among the charge's refunds, of which there are few. None: it is not there;
        Unknown: nobody knows."""
        try:
            if order.provider_reference is not None:
                request = partial(self._api.v1.refunds.retrieve_async, order.provider_reference)
                return _answer(order, await self._api.call("find_refund", Refund, request, refund_id=str(order.refund_id)))
            charge: RefundListParams = {"payment_intent": order.charge_reference}
            if not _is_intent(order):
                charge = {"charge": order.charge_reference}
            async for refund in refunds_of(self._api, charge, pages_max=_PAGES_MAX):
                if refund.refund_id == order.refund_id:
                    return _answer(order, refund)
            return None
        except SaidNo as no:
            log.error("Stripe does not know a refund of ours: is it another account's key?", refund_id=str(order.refund_id), code=no.code)
        except (NotServed, NoAnswer):
            pass
        return Unknown()


def _is_old(order: RefundOrder) -> bool:
    return order.sent_at is not None and utc_now() - order.sent_at > KEPT_FAILURE_WAITS


def _is_intent(order: RefundOrder) -> bool:
    """A charge is known to us by its PaymentIntent; one that an operator named may be the charge itself."""
    return order.charge_reference.startswith("pi_")


def _answer(order: RefundOrder, refund: Refund) -> RefundAnswer:
    if refund.refund_id != order.refund_id:
        log.error("Stripe's answer is not about the refund that it was asked for", refund_id=str(order.refund_id), found=refund.id)
        return Unknown()
    match refund.outcome:
        case "succeeded":
            return RefundAccepted(refund.id, settled=True)
        case "pending":
            return RefundAccepted(refund.id, settled=False)
        case "failed":
            return RefundDeclined(refund.why_failed)
