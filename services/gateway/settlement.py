"""What may be called completed: only a payment whose credit the wallet has committed; until then it is told as pending."""

from __future__ import annotations

import asyncio
from typing import Final

from services.gateway.problems import Problem
from services.gateway.requests import PAYMENT, TRANSFER, Services
from shared.contracts.queries import MAX_WAIT_SECONDS, GetPayment, GetTransfer, PaymentView

_ANSWER_MARGIN_SECONDS: Final = 0.5
"""Services behind wait this much less than we do, so that their last word still arrives."""


async def true_status(services: Services, view: PaymentView, correlation_id: str) -> str:
    """The status that `GET /balance`, asked next, agrees with. Problems: those of a question."""
    if view.status != "completed":
        return view.status
    if view.credit_reference is None:
        return "pending"
    transfer = await services.question(GetTransfer(reference=view.credit_reference, correlation_id=correlation_id), TRANSFER)
    return "completed" if transfer.posted else "pending"


async def wait_until_settled(
    services: Services, payment_id: str, user_id: str, correlation_id: str, deadline: float, *, is_admin: bool = False
) -> str:
    """The payment's true status as soon as it is no longer pending; "pending" when `deadline` (the loop's time) has come.

    Silence and outages count as pending: what was handed over is safe, and its Location tells the rest.
    """
    try:
        asked = GetPayment(
            payment_id=payment_id,
            viewer_user_id=user_id,
            viewer_is_admin=is_admin,
            wait_seconds=_wait_seconds(deadline),
            correlation_id=correlation_id,
        )
        view = await services.ask(asked, PAYMENT, timeout_seconds=_left(deadline))
        if not isinstance(view, PaymentView) or view.status == "pending":
            return "pending"
        if view.status != "completed":
            return view.status
        if view.credit_reference is None:
            return "pending"
        credit = GetTransfer(reference=view.credit_reference, wait_seconds=_wait_seconds(deadline), correlation_id=correlation_id)
        transfer = await services.ask(credit, TRANSFER, timeout_seconds=_left(deadline))
    except Problem:
        return "pending"
    return "completed" if transfer is not None and transfer.posted else "pending"


def _left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.05)


def _wait_seconds(deadline: float) -> float:
    return min(max(_left(deadline) - _ANSWER_MARGIN_SECONDS, 0.0), MAX_WAIT_SECONDS)
