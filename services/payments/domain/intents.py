"""Paying for a session: what must fit, how the money moves when it is paid from the balance, and who may do what with a payment."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha512
from typing import Final
from uuid import UUID

from services.payments.domain import refusals
from services.payments.domain.payments import PAID_FROM_BALANCE, Payment, choose_method
from services.payments.domain.sessions import CoachingSession
from shared.contracts.payment_commands import FieldProblem, Refused
from shared.contracts.wallet_commands import Account, Leg, MoveFunds
from shared.money import Money

CONFIRMING_LABEL: Final = "client-secret"


_PAID: Final = frozenset({"completed", "partially_refunded", "refunded", "disputed"})


class NoProvider(Exception):
    """Nobody is configured who could take the payment. It leaves no trace: configured, the same request works."""


def does_not_fit(session: CoachingSession | None, *, payer_id: str, mentor_id: str, money: Money, request_id: str) -> Refused | None:
    """Why this payer cannot pay `money` to `mentor_id` for `session`; None when they can."""
    if session is None:
        return _refused("session_not_found", "There is no such session.", request_id, "session_id")
    if session.mentor_id != mentor_id:
        return _refused("mentor_not_found", "This session has no such mentor.", request_id, "mentor_id")
    if payer_id == mentor_id:
        return _refused("own_session", "Mentors do not pay for their own sessions.", request_id, "session_id")
    if money != session.price:
        price = f"{session.price.amount_minor} {session.price.currency}"
        detail = f"The session's price is {price} (minor units); nothing was moved."
        return _refused("amount_mismatch", detail, request_id, "amount" if money.currency == session.price.currency else "currency")
    return None


def provider_for(asked: str | None, enabled: Sequence[str], *, production: bool) -> str | None:
    """The provider that plays `asked`; without a wish Stripe, else the mock, which is never on in production. None: the one that was asked
    for is not available. NoProvider: none was asked for, and there is none."""
    if asked == PAID_FROM_BALANCE:
        return PAID_FROM_BALANCE
    if asked is not None:
        return choose_method(asked, enabled, production=production)
    for provider in ("stripe", "mock"):
        if provider in enabled:
            return provider
    raise NoProvider


def client_secret(payment_id: UUID, key: bytes) -> str:
    """In Stripe's form: its page's scripts check that much of it. Only who has the key can make it."""
    digest = hmac.digest(key, payment_id.bytes, sha512)
    letters = base64.b32encode(digest).decode().rstrip("=")
    return f"pi_{letters[:24]}_secret_{letters[24:56]}"


# ---- paying from the balance


def movement(payment: Payment) -> MoveFunds:
    """The whole of a payment from the balance as one set: from the payer, to the mentor, less the fee, which the platform gets."""
    assert payment.user_id is not None
    assert payment.mentor_id is not None
    amount_minor, fee_minor = payment.money.amount_minor, payment.fee_minor
    clearing = Account(kind="clearing", owner=PAID_FROM_BALANCE)
    legs = [
        Leg(source=Account(kind="user", owner=payment.user_id), target=clearing, amount_minor=amount_minor),
        Leg(source=clearing, target=Account(kind="user", owner=payment.mentor_id), amount_minor=amount_minor - fee_minor),
    ]
    if fee_minor:
        legs.append(Leg(source=clearing, target=Account(kind="fees", owner="platform"), amount_minor=fee_minor, kind="fee"))
    return MoveFunds(
        correlation_id=payment.correlation_id,
        reference=f"{PAID_FROM_BALANCE}:{payment.payment_id}",
        kind="payment",
        currency=payment.money.currency,
        legs=tuple(legs),
        payment_id=payment.payment_id,
        description=payment.description,
    )


# ---- confirming and canceling


def is_paid(status: str) -> bool:
    """Whether a payment that is told as `status` has been paid, whatever became of the money afterwards."""
    return status in _PAID


def may_not_act(payment: Payment | None, *, user_id: str, is_admin: bool, request_id: str) -> Refused | None:
    """`payment` is what this user may know of; only its payer and admins may act on it."""
    if payment is None:
        return _refused("payment_not_found", "There is no such payment.", request_id)
    if not is_admin and payment.user_id != user_id:
        return _refused("forbidden", "Only the payer may do this.", request_id)
    return None


def cannot_be_confirmed(status: str, request_id: str) -> Refused | None:
    if is_paid(status) or status == "pending":
        return None
    return refusals.session_over(status, request_id)


def cannot_be_canceled(payment: Payment, status: str, request_id: str) -> Refused | None:
    """None: it is pending, or canceled already."""
    if is_paid(status):
        return _refused("already_paid", "The payment has been paid; it can be refunded.", request_id)
    if payment.provider == PAID_FROM_BALANCE:
        return not_cancelable(request_id)
    if status in ("failed", "expired"):
        return _refused("session_final", f"The payment is {status}.", request_id)
    return None


def not_cancelable(request_id: str) -> Refused:
    """A payment from the balance is done at once; and a provider that is off here cannot end anything."""
    return _refused("payment_not_cancelable", "This payment cannot be canceled.", request_id)


def _refused(code: str, detail: str, request_id: str, field: str | None = None) -> Refused:
    errors = () if field is None else (FieldProblem(loc=("body", field), msg=detail.rstrip(".")),)
    return Refused(code=code, detail=detail, errors=errors, request_id=request_id)
