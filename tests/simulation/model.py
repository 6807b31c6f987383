"""What the contract says about money that goes back and out: what every request and event does to a book, and what is answered.

Paying is in paying.py. What happens by itself later (a payout is made, a refund comes back) is in `become`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from tests.simulation.book import Dispute, Payment, Refund, Withdrawal, owner_of
from tests.simulation.paying import Paying

DisputeEvent = Literal["opened", "won", "lost"]
How = Literal["at once", "declined", "pending", "silent", "fails later"]
"""What the stand-in does with a refund."""


@dataclass(frozen=True)
class Model(Paying):
    # ---- money back

    def refund(self, refund_id: str, payment_id: str, amount: int | None, *, how: How, force: bool) -> tuple[str, Self]:
        """`amount` none: all that is left. What is answered: a refund's status, `accepted`, or the refusal's code."""
        payment, left = self.payments[payment_id], self.left(payment_id)
        if payment.status != "completed":
            return "payment_not_refundable", self
        if payment.dispute is not None and payment.dispute.status != "won":
            return "payment_disputed", self
        if left == 0:
            return "already_refunded", self
        amount = left if amount is None else amount
        if amount > left:
            return "refund_exceeds_payment", self
        fee = self._fee_back(payment, payment.amount - left, self._fee_given_back(payment_id), amount)
        wanted, book, held, loss = amount - fee, self, 0, 0
        if payment.credited is not None:
            if wanted > self.available(payment.credited) and not force:
                return "insufficient_funds", self
            book = self._freed(payment.credited, wanted - max(0, self.available(payment.credited)))
            held = min(wanted, max(0, book.available(payment.credited)))
            loss = wanted - held
            book = book.move(f"user:{payment.credited}", f"held:{payment.credited}", held)
        how = "at once" if payment.from_balance else how
        refund = Refund(payment_id, amount, fee, held, loss, "pending", fails=how == "fails later")
        if how == "declined":
            if payment.credited is not None:
                book = book.move(f"held:{payment.credited}", f"user:{payment.credited}", held)
            return "failed", book.with_refund(refund_id, replace(refund, state="failed"))
        book = book.with_refund(refund_id, refund)
        if how in ("pending", "silent"):
            return "pending" if how == "pending" else "accepted", book
        return "succeeded", book._settled(refund_id)

    def disputed(self, payment_id: str, event: DisputeEvent) -> tuple[str, Self]:
        payment = self.payments[payment_id]
        if payment.from_balance or payment.charged is None:
            return "payment_not_disputable", self
        dispute = payment.dispute
        if dispute is None:
            book = self._dispute_begun(payment_id)
            return "told", book if event == "opened" else book._dispute_ended(payment_id, event)
        if event == "opened" or dispute.status in ("closing", "won"):
            return "told", self
        return "told", self._dispute_ended(payment_id, event)

    def _dispute_begun(self, payment_id: str) -> Self:
        payment, left = self.payments[payment_id], self.left(payment_id)
        assert payment.charged is not None
        taken = min(payment.charged, left)
        fee = self._fee_back(payment, payment.amount - left, self._fee_given_back(payment_id), taken)
        owner = taken - fee
        dispute = Dispute(owner, fee, payment.charged - taken, "open")
        book = self if payment.credited is None else self._freed(payment.credited, owner - self.available(payment.credited))
        return book._borne(payment, dispute, 1).with_payment(payment_id, replace(payment, dispute=dispute))

    def _dispute_ended(self, payment_id: str, event: Literal["won", "lost"]) -> Self:
        payment = self.payments[payment_id]
        assert payment.dispute is not None
        status: Literal["closing", "lost"] = "closing" if event == "won" else "lost"
        return self.with_payment(payment_id, replace(payment, dispute=replace(payment.dispute, status=status)))

    def _dispute_goes_on(self, payment_id: str) -> Self | None:
        payment = self.payments[payment_id]
        if payment.dispute is None or payment.dispute.status != "closing":
            return None
        book = self._borne(payment, payment.dispute, -1)
        return book.with_payment(payment_id, replace(payment, dispute=replace(payment.dispute, status="won")))

    def _borne(self, payment: Payment, dispute: Dispute, sign: int) -> Self:
        book = self.move(owner_of(payment), "clearing", sign * dispute.owner)
        return book.move("fees", "clearing", sign * dispute.fee).move("loss", "clearing", sign * dispute.loss)

    # ---- money out

    def withdrawn(self, withdrawal_id: str, withdrawal: Withdrawal) -> tuple[str, Self]:
        if withdrawal.amount > self.available(withdrawal.user):
            return "insufficient_funds", self
        held = self.move(f"user:{withdrawal.user}", f"held:{withdrawal.user}", withdrawal.amount)
        return "pending", held.with_withdrawal(withdrawal_id, withdrawal)

    def decided(self, withdrawal_id: str, decision: Literal["approve", "reject", "cancel"]) -> tuple[str, Self]:
        withdrawal = self.withdrawals[withdrawal_id]
        made: dict[str, Literal["approved", "rejected", "canceled"]] = {"approve": "approved", "reject": "rejected", "cancel": "canceled"}
        if withdrawal.status == "pending":
            status = made[decision]
            book = self if status == "approved" else self._released(withdrawal)
            return "decided", book.with_withdrawal(withdrawal_id, replace(withdrawal, status=status))
        was = {"rejected": "reject", "canceled": "cancel"}.get(withdrawal.status, "approve")
        return "decided" if was == decision else "too late", self

    # ---- what happens by itself

    def become(self) -> Iterator[Self]:
        """This book, and all that it may have become meanwhile: each thing under way is where it was, or any number of steps further."""
        yield from self._become(self._moving())

    @property
    def under_way(self) -> int:
        return len(self._moving())

    def _moving(self) -> list[tuple[str, str]]:
        moving = [("dispute", i) for i, one in self.payments.items() if one.dispute is not None and one.dispute.status == "closing"]
        moving += [("withdrawal", i) for i, one in self.withdrawals.items() if _next(one)]
        return moving + [("refund", i) for i, one in self.refunds.items() if one.state in ("pending", "reversed") or _comes_back(one)]

    def _become(self, under_way: list[tuple[str, str]]) -> Iterator[Self]:
        if not under_way:
            yield self
            return
        (kind, item_id), *others = under_way
        book: Self | None = self
        while book is not None:
            yield from book._become(others)
            match kind:
                case "dispute":
                    book = book._dispute_goes_on(item_id)
                case "withdrawal":
                    book = book._payout_goes_on(item_id)
                case _:
                    book = book._refund_goes_on(item_id)

    def _payout_goes_on(self, withdrawal_id: str) -> Self | None:
        withdrawal = self.withdrawals[withdrawal_id]
        status = _next(withdrawal)
        if status is None:
            return None
        book = self
        if status == "failed":
            book = self._released(withdrawal)
        elif status == "paid":
            book = self.move(f"held:{withdrawal.user}", "clearing", withdrawal.amount)
        elif status == "returned":
            book = self.move("clearing", f"user:{withdrawal.user}", withdrawal.amount)
        return book.with_withdrawal(withdrawal_id, replace(withdrawal, status=status))

    def _refund_goes_on(self, refund_id: str) -> Self | None:
        refund = self.refunds[refund_id]
        if refund.state == "pending":
            return self._settled(refund_id)
        if refund.state == "reversed":
            return self.with_refund(refund_id, replace(refund, state="failed"))
        return self._reversed(refund_id) if _comes_back(refund) else None

    # ---- what moves

    def _freed(self, user: str, needed: int) -> Self:
        """Unsent withdrawals give way, the newest first, only as far as needed."""
        book = self
        for withdrawal_id, withdrawal in reversed(list(self.withdrawals.items())):
            if needed <= 0:
                break
            if withdrawal.user == user and withdrawal.unsent:
                book = book._released(withdrawal).with_withdrawal(withdrawal_id, replace(withdrawal, status="canceled"))
                needed -= withdrawal.amount
        return book

    def _released(self, withdrawal: Withdrawal) -> Self:
        return self.move(f"held:{withdrawal.user}", f"user:{withdrawal.user}", withdrawal.amount)

    def _settled(self, refund_id: str) -> Self:
        refund = self.refunds[refund_id]
        payment = self.payments[refund.payment]
        revenue = refund.amount - refund.fee if payment.credited is None else 0
        book = self.move(f"held:{payment.credited}", "clearing", refund.held).move("revenue", "clearing", revenue)
        book = book.move("fees", "clearing", refund.fee).move("loss", "clearing", refund.loss)
        if payment.from_balance:
            book = book.move("clearing", f"user:{payment.payer}", refund.amount)
        return book.with_refund(refund_id, replace(refund, state="succeeded"))

    def _reversed(self, refund_id: str) -> Self:
        refund = self.refunds[refund_id]
        payment = self.payments[refund.payment]
        owners = refund.amount - refund.fee - refund.loss
        book = self.move("clearing", owner_of(payment), owners).move("clearing", "fees", refund.fee).move("clearing", "loss", refund.loss)
        return book.with_refund(refund_id, replace(refund, state="reversed", fails=False))

    def _fee_back(self, payment: Payment, gone: int, given_back: int, amount: int) -> int:
        return min(amount, max(0, payment.fee * (gone + amount) // payment.amount - given_back))

    def _fee_given_back(self, payment_id: str) -> int:
        return sum(one.fee for one in self.refunds_of(payment_id) if one.live)


def _comes_back(refund: Refund) -> bool:
    return refund.state == "succeeded" and refund.fails


def _next(withdrawal: Withdrawal) -> Any:
    match withdrawal.status, withdrawal.account:
        case "approved", _:
            return "sending"
        case "sending", account:
            return "failed" if account == "fails" else "paid"
        case "paid", "returns":
            return "returned"
        case _:
            return None
