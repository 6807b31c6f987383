"""What a payer of a session can choose from, and what makes two of their forms one attempt. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from shared.contracts.checkout import MethodsView, MethodView
from shared.methods import MOCK
from shared.money import Money

FROM_BALANCE: Final = "balance"

_STRIPE: Final = "stripe"


@dataclass(frozen=True, slots=True)
class Way:
    """`enough`: from the balance only while that covers the price; elsewhere that is the provider's matter."""

    method: str
    enough: bool = True


def ways_to_pay(methods: MethodsView, price: Money, available_minor: int) -> tuple[Way, ...]:
    """Stripe, the balance, the others that take such a sum; the stand-in only where Stripe is not among them."""
    taken = [method.method for method in methods.methods if _takes(method, price)]
    if _STRIPE in taken:
        taken = [method for method in taken if method != MOCK]
    taken.sort(key=lambda method: {_STRIPE: 0, FROM_BALANCE: 1, MOCK: 3}.get(method, 2))
    return tuple(Way(method, method != FROM_BALANCE or available_minor >= price.amount_minor) for method in taken)


def attempt_key(user_id: str, session_id: str, ended_payment_id: UUID | None) -> str:
    """The same for all forms of this payer and session until a payment of it has ended, however it has. It is no secret, and none is in it:
    a key means something only beside its caller, and all replicas make the same one while SECRET_KEY is being rolled."""
    told = "\x00".join((user_id, session_id, str(ended_payment_id or "")))
    return base64.urlsafe_b64encode(sha256(told.encode()).digest()).decode().rstrip("=")


def _takes(method: MethodView, price: Money) -> bool:
    return "session" in method.pays_for and any(
        limits.currency == price.currency
        and limits.minimum_minor <= price.amount_minor <= limits.maximum_minor
        and price.amount_minor % limits.step_minor == 0
        for limits in method.limits
    )
