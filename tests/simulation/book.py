"""A book in memory: accounts, and the payments, refunds and withdrawals that move them; what is told of each. Its rules are in model.py.

Pure and in one currency; all sums in minor units. What changes something returns the new book; the old one stays as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Self

BPS: Final = 10_000
PLATFORM: Final = ("clearing", "fees", "revenue", "loss", "suspense")

Outcome = Literal["success", "failure"]
PayoutAccount = Literal["pays", "fails", "silent", "returns"]


@dataclass(frozen=True)
class Dispute:
    """Who bears how much of it while it is not won. `closing`: it is, but the money is on its way back."""

    owner: int
    fee: int
    loss: int
    status: Literal["open", "lost", "closing", "won"]


@dataclass(frozen=True)
class Payment:
    """`credited` none: the platform's revenue. `session`: what the stand-in has decided; none of a payment from the balance. `charged`: by
    the first charge, which is what a dispute is about."""

    amount: int
    fee: int
    payer: str | None
    credited: str | None
    from_balance: bool = False
    order: str | None = None
    status: Literal["pending", "completed", "failed", "canceled"] = "pending"
    session: Literal["success", "failure", "canceled"] | None = None
    charged: int | None = None
    dispute: Dispute | None = None


@dataclass(frozen=True)
class Item:
    """Money that has found no place."""

    payment: str
    reason: Literal["second_payment", "less_than_asked", "more_than_asked"]
    amount: int
    status: Literal["open", "assigned", "refunded", "written_off"] = "open"


@dataclass(frozen=True)
class Refund:
    """`held` of the owner's and `loss` of the platform's; `reversed` is back in the book but not told yet."""

    payment: str
    amount: int
    fee: int
    held: int
    loss: int
    state: Literal["pending", "succeeded", "reversed", "failed"]
    fails: bool = False

    @property
    def live(self) -> bool:
        return self.state != "failed"


@dataclass(frozen=True)
class Withdrawal:
    user: str
    amount: int
    account: PayoutAccount
    status: Literal["pending", "approved", "sending", "paid", "failed", "returned", "rejected", "canceled"] = "pending"

    @property
    def unsent(self) -> bool:
        return self.status in ("pending", "approved")


@dataclass(frozen=True)
class Book:
    accounts: Mapping[str, int] = field(default_factory=dict)
    payments: Mapping[str, Payment] = field(default_factory=dict)
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    withdrawals: Mapping[str, Withdrawal] = field(default_factory=dict)
    items: tuple[Item, ...] = ()

    # ---- what is told

    def tells(self, kind: str, item_id: str) -> object:
        """What is told of it: a user's balance (available, held), a payment (status, what is back of it), what of a
        payment's money has found no place, whether an event was heard, else a status."""
        match kind:
            case "balance":
                return self.available(item_id), self.sum(f"held:{item_id}")
            case "payment":
                return self.status(item_id), self.refunded(item_id)
            case "order":
                return self.order_status(item_id)
            case "suspense":
                return sorted((one.reason, one.amount, one.status) for one in self.items if one.payment == item_id)
            case "event":
                return True
            case "refund":
                return self.refund_status(item_id)
            case _:
                return self.withdrawals[item_id].status

    def sum(self, account: str) -> int:
        return self.accounts.get(account, 0)

    def available(self, user: str) -> int:
        return self.sum(f"user:{user}")

    def refunded(self, payment_id: str) -> int:
        return sum(one.amount for one in self.refunds_of(payment_id) if one.state in ("succeeded", "reversed"))

    def left(self, payment_id: str) -> int:
        return self.payments[payment_id].amount - sum(one.amount for one in self.refunds_of(payment_id) if one.live)

    def status(self, payment_id: str) -> str:
        payment, refunded = self.payments[payment_id], self.refunded(payment_id)
        if payment.dispute is not None and payment.dispute.status != "won":
            return "disputed"
        if refunded:
            return "refunded" if refunded == payment.amount else "partially_refunded"
        return payment.status

    def order_status(self, order: str) -> str:
        paid = self.paid_by(order)
        status = "pending" if paid is None else self.status(paid)
        return "fulfilled" if status == "completed" else status

    def refund_status(self, refund_id: str) -> str:
        state = self.refunds[refund_id].state
        return "succeeded" if state == "reversed" else state

    def paid_by(self, order: str) -> str | None:
        return next((i for i, one in self.payments.items() if one.order == order and one.status == "completed"), None)

    def refunds_of(self, payment_id: str) -> list[Refund]:
        return [one for one in self.refunds.values() if one.payment == payment_id]

    # ---- what changes it

    def move(self, source: str, target: str, amount: int) -> Self:
        if not amount:
            return self
        accounts = Counter(self.accounts)
        accounts.update({source: -amount, target: amount})
        return replace(self, accounts=dict(accounts))

    def credited(self, payment_id: str, payment: Payment, source: str = "clearing") -> Self:
        """The payment is completed out of `source`."""
        book = self.move(source, owner_of(payment), payment.amount - payment.fee).move(source, "fees", payment.fee)
        return book.with_payment(payment_id, replace(payment, status="completed"))

    def with_payment(self, payment_id: str, payment: Payment) -> Self:
        return replace(self, payments={**self.payments, payment_id: payment})

    def with_refund(self, refund_id: str, refund: Refund) -> Self:
        return replace(self, refunds={**self.refunds, refund_id: refund})

    def with_withdrawal(self, withdrawal_id: str, withdrawal: Withdrawal) -> Self:
        return replace(self, withdrawals={**self.withdrawals, withdrawal_id: withdrawal})


def platform_fee(amount: int, bps: int) -> int:
    return amount * bps // BPS


def owner_of(payment: Payment) -> str:
    return "revenue" if payment.credited is None else f"user:{payment.credited}"
