"""What makes two sendings of the top-up form the same one: whose they are, after which payment, and what they ask for."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from typing import Final

from services.gateway.auth import Caller
from services.gateway.history import list_payments
from services.gateway.parts import Parts
from shared.contracts.history import ListPayments
from shared.keys import Keys
from shared.money import Money

LABEL: Final = "deposit-form"

_LOOKED_THROUGH: Final = 50
_OPEN: Final = "pending"


async def form_key(parts: Parts, caller: Caller, request_id: str, after: str = "") -> str:
    """The key that the form is rendered with. Until one of the caller's payments ends, every rendering has the same: two tabs, a reload,
    the page before the payment page. `after`: the payment that is known to have ended. Problems: those of a question."""
    return _key(parts.keys, "ended", caller.user_id, after or await _newest_ended(parts, caller, request_id))


def key_after_refusal(keys: Keys, key: str) -> str:
    """Nothing was made under `key`, and its refusal is kept: whoever tries again means something new, in every tab the same."""
    return _key(keys, "refused", key)


def sameness(key: str, money: Money, method: str) -> str:
    """The idempotency key of the command: another sum, or another way to pay, is another top-up."""
    return f"{key} {money.amount_minor} {money.currency} {method}"


async def _newest_ended(parts: Parts, caller: Caller, request_id: str) -> str:
    """ "" when none of the newest has: the page that shows an older one's end gives that one as `after`."""
    asked = ListPayments(user_id=caller.user_id, limit=_LOOKED_THROUGH, correlation_id=request_id)
    listed = (await list_payments(parts.services, asked)).items
    return next((str(one.payment_id) for one in listed if one.user_id == caller.user_id and one.status != _OPEN), "")


def _key(keys: Keys, *told: str) -> str:
    digest = hmac.digest(keys.signing(LABEL), "\x00".join(told).encode(), sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
