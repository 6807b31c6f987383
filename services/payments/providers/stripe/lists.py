"""Reads Stripe's lists page by page, each page asked for like any other call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from services.payments.providers.stripe.client import NoAnswer, StripeApi
from services.payments.providers.stripe.objects import Intent, IntentPage, Refund, RefundPage

if TYPE_CHECKING:
    from stripe.params._payment_intent_list_params import PaymentIntentListParams, PaymentIntentListParamsCreated
    from stripe.params._refund_list_params import RefundListParams, RefundListParamsCreated

_PAGE: Final = 100


async def intents(api: StripeApi, since: datetime, until: datetime, *, pages_max: int) -> AsyncIterator[Intent]:
    """PaymentIntents made from `since` on and before `until`, the newest first. Raises what StripeApi.call does; NoAnswer also when
    `pages_max` pages were not all."""
    created: PaymentIntentListParamsCreated = {"gte": _seconds(since), "lt": _seconds(until)}
    params: PaymentIntentListParams = {"created": created, "limit": _PAGE}
    for _ in range(pages_max):
        page = await api.call("list", IntentPage, partial(api.v1.payment_intents.list_async, params))
        for intent in page.data:
            yield intent
        if not page.has_more or not page.data:
            return
        params = {**params, "starting_after": page.data[-1].id}
    raise NoAnswer


async def refunds_made(api: StripeApi, since: datetime, until: datetime, *, pages_max: int) -> AsyncIterator[Refund]:
    """Refunds made from `since` on and before `until`; else as `intents`."""
    created: RefundListParamsCreated = {"gte": _seconds(since), "lt": _seconds(until)}
    async for refund in _refunds(api, {"created": created}, pages_max):
        yield refund


async def refunds_of(api: StripeApi, charge: RefundListParams, *, pages_max: int) -> AsyncIterator[Refund]:
    """Refunds of one `charge`: {"payment_intent": …} or {"charge": …}; else as `intents`."""
    async for refund in _refunds(api, charge, pages_max):
        yield refund


async def _refunds(api: StripeApi, of: RefundListParams, pages_max: int) -> AsyncIterator[Refund]:
    params: RefundListParams = {**of, "limit": _PAGE}
    for _ in range(pages_max):
        page = await api.call("list_refunds", RefundPage, partial(api.v1.refunds.list_async, params))
        for refund in page.data:
            yield refund
        if not page.has_more or not page.data:
            return
        params = {**params, "starting_after": page.data[-1].id}
    raise NoAnswer


def _seconds(at: datetime) -> int:
    """Rounded up: what was made within the second before is not there yet, and Stripe tells whole seconds."""
    return -int(-at.timestamp() // 1)
