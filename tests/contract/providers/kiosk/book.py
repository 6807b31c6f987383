"""Kiosk's own book: payments, refunds and disputes, and what may become of them; pure, and nothing of ours in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

DECIMALS: Final = {"EUR": 2, "RSD": 2, "USD": 2, "JPY": 0, "KWD": 3}

_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?", re.ASCII)

PaymentState = Literal["open", "paid", "cancelled"]
RefundState = Literal["pending", "done", "failed"]
DisputeState = Literal["opened", "won", "lost"]


class No(Exception):
    """What Kiosk answers instead: `status` of HTTP, and the code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Payment:
    """`page`: the secret part of its page's address; `at_bank`: the payer is asked there whether it is them."""

    id: str
    reference: str
    page: str
    amount: Decimal
    currency: str
    description: str
    return_url: str
    notify_url: str
    state: PaymentState
    changed_at: datetime
    at_bank: bool = False


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    reference: str | None
    payment: str
    amount: Decimal
    currency: str
    state: RefundState
    reason: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Dispute:
    id: str
    payment: str
    amount: Decimal
    currency: str
    state: DisputeState
    changed_at: datetime


@dataclass(slots=True)
class Book:
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    counted: int = 0

    def next_id(self, kind: str) -> str:
        self.counted += 1
        return f"{kind}-{self.counted:06d}"

    # ---- what shops ask for

    def open(self, asked: Payment) -> tuple[Payment, bool]:
        """The payment of this reference, and whether it is new. No: the reference was another payment's."""
        known = next((one for one in self.payments.values() if one.reference == asked.reference), None)
        if known is None:
            self.payments[asked.id] = asked
            return asked, True
        if _payment_terms(known) != _payment_terms(asked):
            raise No(409, "reference_in_use")
        return known, False

    def payment(self, reference: str) -> Payment:
        for one in self.payments.values():
            if one.reference == reference:
                return one
        raise No(404, "no_such_payment")

    def refund(self, asked: Refund) -> tuple[Refund, bool]:
        """The refund of this reference, and whether it is new. No: more than is left, or the reference was another refund's."""
        known = None if asked.reference is None else self._refund_of(asked.reference)
        if known is not None:
            if _refund_terms(known) != _refund_terms(asked):
                raise No(409, "reference_in_use")
            return known, False
        payment = self.payments.get(asked.payment)
        if payment is None or payment.state != "paid":
            raise No(422, "payment_not_paid")
        if asked.amount > self.left(payment):
            raise No(422, "more_than_is_left")
        self.refunds[asked.id] = asked
        return asked, True

    def found_refund(self, reference: str) -> Refund:
        found = self._refund_of(reference)
        if found is None:
            raise No(404, "no_such_refund")
        return found

    def cancel(self, reference: str, now: datetime) -> tuple[Payment, bool]:
        """The payment as it is then, and whether this ended it."""
        payment = self.payment(reference)
        if payment.state != "open":
            return payment, False
        return self._save(replace(payment, state="cancelled", changed_at=now)), True

    # ---- what payers and Kiosk's own people do

    def pay(self, payment: Payment, now: datetime) -> Payment:
        if payment.state != "open":
            raise No(409, f"payment_{payment.state}")
        return self._save(replace(payment, state="paid", changed_at=now, at_bank=False))

    def send_to_bank(self, payment: Payment, *, at_bank: bool) -> Payment:
        if payment.state != "open":
            raise No(409, f"payment_{payment.state}")
        return self._save(replace(payment, at_bank=at_bank))

    def end_refund(self, refund: Refund, state: Literal["done", "failed"], reason: str, now: datetime) -> Refund:
        """What is pending ends, and what was done may come back."""
        if refund.state == "failed" or refund.state == state:
            raise No(409, f"refund_{refund.state}")
        self.refunds[refund.id] = ended = replace(refund, state=state, reason=reason, changed_at=now)
        return ended

    def dispute(self, payment: Payment, state: DisputeState, now: datetime) -> Dispute:
        """Opened over all that is left; won or lost: the one that is open."""
        known = next((one for one in self.disputes.values() if one.payment == payment.id and one.state == "opened"), None)
        if state == "opened":
            if known is not None or payment.state != "paid":
                raise No(409, "no_dispute_now")
            known = Dispute(self.next_id("dispute"), payment.id, self.left(payment), payment.currency, state, now)
        elif known is None:
            raise No(404, "no_such_dispute")
        self.disputes[known.id] = told = replace(known, state=state, changed_at=now)
        return told

    # ---- what it comes to

    def refunded(self, payment: Payment) -> Decimal:
        return sum((one.amount for one in self.refunds.values() if one.payment == payment.id and one.state != "failed"), Decimal(0))

    def disputed(self, payment: Payment) -> Decimal:
        return sum((one.amount for one in self.disputes.values() if one.payment == payment.id and one.state != "won"), Decimal(0))

    def left(self, payment: Payment) -> Decimal:
        return payment.amount - self.refunded(payment) - self.disputed(payment)

    def _refund_of(self, reference: str) -> Refund | None:
        return next((one for one in self.refunds.values() if one.reference == reference), None)

    def _save(self, payment: Payment) -> Payment:
        self.payments[payment.id] = payment
        return payment


def read_amount(text: object, currency: object) -> Decimal:
    """Exactly as many decimals as the currency has. No."""
    if not isinstance(text, str) or not isinstance(currency, str) or currency not in DECIMALS:
        raise No(422, "currency_not_taken")
    amount = Decimal(text) if _AMOUNT.fullmatch(text) else Decimal(0)
    if amount <= 0 or amount.as_tuple().exponent != -DECIMALS[currency]:
        raise No(422, "amount_not_taken")
    return amount


def _payment_terms(payment: Payment) -> tuple[object, ...]:
    return payment.amount, payment.currency, payment.description, payment.return_url, payment.notify_url


def _refund_terms(refund: Refund) -> tuple[object, ...]:
    return refund.payment, refund.amount
