"""Bringing a payment up to date with its provider, and giving it up, as the API and the pages do it."""

from __future__ import annotations

import asyncio

from services.gateway.auth import Caller
from services.gateway.commands import Issued
from services.gateway.mock_events import hand_in
from services.gateway.parts import Parts
from services.gateway.requests import CANCELED, CONFIRMED
from services.gateway.settlement import wait_until_settled
from shared.contracts.intents import CancelPayment, ConfirmPayment, PaymentCanceled, PaymentConfirmed


async def confirm(parts: Parts, issued: Issued, caller: Caller, payment_id: str) -> tuple[PaymentConfirmed, str, bool] | None:
    """What the provider says, the status that may be told of it now, and whether that is a replay; None while nobody knows.
    Problems: as Issued.ask."""
    waits_until = asyncio.get_running_loop().time() + parts.services.timeout_seconds
    is_admin = caller.identity.is_admin
    command = ConfirmPayment(**issued.envelope, payment_id=payment_id, user_id=caller.user_id, is_admin=is_admin)
    answer = await issued.ask(command, CONFIRMED)
    if answer is None:
        return None
    confirmed, replayed = answer
    if confirmed.event is not None:
        await hand_in(parts, confirmed.event, confirmed.payment_id, issued.correlation_id)
    status = confirmed.status
    if status != "pending":
        # What came after the paying (a refund, say) does not change what this confirmation says; that it is credited, does.
        paid = await wait_until_settled(
            parts.services, str(confirmed.payment_id), caller.user_id, issued.correlation_id, waits_until, is_admin=is_admin
        )
        status = "pending" if paid == "pending" else status
    return confirmed, status, replayed and status != "pending"


async def cancel(issued: Issued, caller: Caller, payment_id: str) -> tuple[PaymentCanceled, bool] | None:
    """The payment that nobody can pay any more, and whether that is a replay; None while nobody knows. Problems: as Issued.ask."""
    command = CancelPayment(**issued.envelope, payment_id=payment_id, user_id=caller.user_id, is_admin=caller.identity.is_admin)
    return await issued.ask(command, CANCELED)
