"""What the contract says about money that comes in: what every request and event does to a book, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from tests.simulation.book import Book, Item, Outcome, Payment

Decision = Literal["assign_user", "assign_payment", "refund", "write_off"]


@dataclass(frozen=True)
class Paying(Book):
    def created(self, payment_id: str, payment: Payment) -> Self:
        return self.with_payment(payment_id, payment)

    def paid_from_balance(self, payment_id: str, payment: Payment) -> Self:
        """Whoever asks for it looks first whether the payer has as much."""
        assert payment.payer is not None
        moved = self.move(f"user:{payment.payer}", "clearing", payment.amount)
        return moved.credited(payment_id, payment)

    def completed(self, payment_id: str, outcome: Outcome) -> tuple[str, Self]:
        """At the stand-in, by the payer; what is answered, and the book after it."""
        payment = self.payments[payment_id]
        if payment.session is None:
            return self.provider_tells(payment_id, outcome)._answer(payment_id)
        return self._answer(payment_id) if payment.session == outcome else ("session_final", self)

    def confirmed(self, payment_id: str) -> tuple[str, Self]:
        status = self.payments[payment_id].status
        if status == "pending":
            return "confirmed", self.provider_tells(payment_id, "success")
        return "confirmed" if status == "completed" else "session_final", self

    def canceled(self, payment_id: str) -> tuple[str, Self]:
        payment = self.payments[payment_id]
        match payment.status:
            case "pending":
                return "canceled", self.with_payment(payment_id, replace(payment, status="canceled", session="canceled"))
            case "canceled":
                return "canceled", self
            case "completed":
                return "already_paid", self
            case _:
                return "session_final", self

    def provider_tells(self, payment_id: str, outcome: Outcome, amount: int | None = None) -> Self:
        """The provider's event; each success is another charge, of the sum that was asked for unless it is another `amount`."""
        payment = self.payments[payment_id]
        if outcome == "failure":
            status = "failed" if payment.status == "pending" else payment.status
            return self.with_payment(payment_id, replace(payment, status=status, session=payment.session or "failure"))
        amount = payment.amount if amount is None else amount
        charged = amount if payment.charged is None else payment.charged
        told = replace(payment, session=payment.session or "success", charged=charged)
        book = self.with_payment(payment_id, told)
        if payment.status != "completed" and amount < payment.amount:
            return book._kept(Item(payment_id, "less_than_asked", amount))
        if payment.status == "completed" or (payment.order is not None and self.paid_by(payment.order) is not None):
            return book._kept(Item(payment_id, "second_payment", amount))
        book = book.credited(payment_id, told)
        rest = amount - payment.amount
        return book._kept(Item(payment_id, "more_than_asked", rest)) if rest else book

    def ended_older(self, order: str) -> Self:
        """Another session of the order begins: those that nobody has decided cannot be paid any more."""
        book = self
        for payment_id, payment in self.payments.items():
            if payment.order == order and payment.status == "pending" and payment.session is None:
                book = book.with_payment(payment_id, replace(payment, status="canceled", session="canceled"))
        return book

    def transferred(self, source: str, target: str, amount: int) -> tuple[str, Self]:
        if self.available(source) < amount:
            return "insufficient_funds", self
        return "completed", self.move(f"user:{source}", f"user:{target}", amount)

    # ---- money that has found no place

    def item_decided(self, number: int, decision: Decision, target: str) -> tuple[str, Self]:
        """`target`: the user or the payment that it is assigned to. What is answered: the item's status, or the refusal's code."""
        item = self.items[number]
        if item.status != "open":
            return "suspense_item_decided", self
        match decision:
            case "assign_user":
                return "assigned", self._left(number, "assigned").move("suspense", f"user:{target}", item.amount)
            case "assign_payment":
                payment = self.payments[target]
                paid = payment.order is not None and self.paid_by(payment.order) is not None
                if paid or payment.status == "completed":
                    return "already_paid", self
                if payment.amount != item.amount:
                    return "amount_mismatch", self
                return "assigned", self._left(number, "assigned").credited(target, payment, "suspense")
            case "refund":
                return "refunded", self._left(number, "refunded").move("suspense", "clearing", item.amount)
            case "write_off":
                return "written_off", self._left(number, "written_off").move("suspense", "revenue", item.amount)

    def _kept(self, item: Item) -> Self:
        """A second charge of a payer whom we know is theirs by rule."""
        payer = self.payments[item.payment].payer
        if item.reason == "second_payment" and payer is not None:
            book = self.move("clearing", f"user:{payer}", item.amount)
            return replace(book, items=(*self.items, replace(item, status="assigned")))
        return replace(self.move("clearing", "suspense", item.amount), items=(*self.items, item))

    def _left(self, number: int, status: Literal["assigned", "refunded", "written_off"]) -> Self:
        item = replace(self.items[number], status=status)
        return replace(self, items=(*self.items[:number], item, *self.items[number + 1 :]))

    def _answer(self, payment_id: str) -> tuple[str, Self]:
        return "failed" if self.payments[payment_id].status == "failed" else "completed", self
