"""What makes two sendings of the top-up form the same one: whose they are, after which payment, and what they ask for."""

from __future__ import annotations

import base64
from hashlib import sha256

from services.gateway.auth import Caller
from services.gateway.history import list_payments
from services.gateway.parts import Parts
from shared.contracts.history import ListPayments
from shared.money import Money


async def form_key(parts: Parts, caller: Caller, request_id: str) -> str:
    """The key that the form is rendered with. Until one of the caller's payments ends, every rendering has the same: two tabs, a reload,
    the page before the payment page. It is no secret, and none is in it: a key means something only beside its caller, and all replicas
    make the same one while SECRET_KEY is being rolled. Problems: those of a question."""
    asked = ListPayments(user_id=caller.user_id, ended=True, limit=1, correlation_id=request_id)
    ended = (await list_payments(parts.services, asked)).items
    return _key("ended", caller.user_id, *(str(one.payment_id) for one in ended))


async def key_after_refusal(parts: Parts, caller: Caller, request_id: str, key: str) -> str:
    """Nothing was made under `key`, and its refusal is kept: whoever tries again means something new, in every tab the same. What was
    refused has ended by that; where nothing of it was written down, the refusal itself tells them apart."""
    now = await form_key(parts, caller, request_id)
    return now if now != key else _key("refused", key)


def sameness(key: str, money: Money, method: str) -> str:
    """The idempotency key of the command: another sum, or another way to pay, is another top-up."""
    return f"{key} {money.amount_minor} {money.currency} {method}"


def _key(*told: str) -> str:
    return base64.urlsafe_b64encode(sha256("\x00".join(told).encode()).digest()).decode().rstrip("=")
