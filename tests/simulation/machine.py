"""Draws requests and events, makes them on the running services and in the model, and compares what both tell after each.

What is drawn never depends on what was answered, so that an example stays the same however slow the services are: a rule that names the
seventh payment takes the seventh modulo as many as there are, and does nothing when there is none.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from shared.money import Money
from tests.simulation.book import Payment, PayoutAccount, Withdrawal, platform_fee
from tests.simulation.model import DisputeEvent, How, Model
from tests.simulation.paying import Decision
from tests.simulation.site import ADMIN, GUEST
from tests.simulation.steps import Steps

FEE_BPS: Final = 333
ORDER_MINOR: Final = 99_000
"""What the demo's order costs, in rsd."""

SLOW_AT_ONCE: Final = 3
"""More under way would make too many books possible."""

PICK: Final = st.integers(min_value=0, max_value=11)
WHO: Final = st.sampled_from(("payer", "other", "mentor"))
AMOUNT: Final = st.sampled_from((1, 700, 2_500, 10_000, 44_999))
HOW: Final = st.sampled_from(("at once", "at once", "at once", "declined", "pending", "silent", "fails later"))
ACCOUNT: Final = st.sampled_from(("pays", "pays", "fails", "silent", "returns"))

_REASONS: Final[dict[How, str]] = {
    "at once": "", "declined": "mock:decline", "pending": "mock:pending", "silent": "mock:silent", "fails later": "mock:fail-later",
}  # fmt: skip
_BANKS: Final[dict[PayoutAccount, str]] = {"pays": "1234-5678", "fails": "1234-0001", "silent": "1234-0002", "returns": "1234-0003"}
_numbers = count(1)


class Simulation(Steps):
    @initialize(currency=st.sampled_from(("rsd", "jpy", "kwd")), price=st.sampled_from((1, 99, 10_000, 25_001)))
    def begin(self, currency: str, price: int) -> None:
        self.currency, self.price = currency, price
        self.name = f"simulated-{next(_numbers)}"
        self.users = {who: f"{self.name}-{who}" for who in ("payer", "other", "mentor")}
        self.mentor = self.users["mentor"]
        body = {"mentor_id": self.mentor, "price": price, "currency": currency, "title": "An hour"}
        answer = self.site.ask(self.mentor, "PUT", f"/sessions/{self.name}", body)
        assert answer.status_code == 201, answer.text
        self.top_up("payer", 30_000, "success")

    # ---- paying

    @rule(who=WHO, amount=AMOUNT, outcome=st.sampled_from(("success", "success", "failure", None)))
    def top_up(self, who: str, amount: int, outcome: str | None) -> None:
        user = self.users[who]
        told = self.make(user, "/balance/deposit", {**self.money(amount), "method": "mock"})
        self.created(told, Payment(amount, 0, user, user))
        if outcome is not None:
            self.finish(told["payment_id"], outcome)

    @rule(from_balance=st.booleans(), who=st.sampled_from(("payer", "other")))
    def pay_for_a_session(self, from_balance: bool, who: str) -> None:
        user, price = self.users[who], self.price
        method = "balance" if from_balance else "mock"
        body = {"amount": price, "currency": self.currency, "session_id": self.name, "mentor_id": self.mentor, "method": method}
        payment = Payment(price, platform_fee(price, FEE_BPS), user, self.mentor, from_balance=from_balance)
        if not from_balance:
            told = self.make(user, "/payments/create-intent", body)
            # Its session_id is the coaching session's; at the stand-in it goes by its own id.
            self.created(told | {"session_id": told["payment_id"]}, payment)
            return
        answer = self.ask(user, "/payments/create-intent", body, key=True)
        payment_id = answer.json().get("payment_id", "")

        def paid(book: Model) -> tuple[str, Model]:
            if book.available(user) < price:
                return "insufficient_funds", book
            return "completed", book.paid_from_balance(payment_id, payment)

        self.step(answer, 201, paid, [("payment", payment_id)] if payment_id else [])

    @rule(outcome=st.sampled_from(("success", "failure", None)))
    def order(self, outcome: str | None) -> None:
        """Only in dinars: the product has one price."""
        if self.currency != "rsd":
            return
        form = {"product": "chakras", "email": f"{self.name}@example.org", "points": [{"chakra": "ajna", "value": 3}], "method": "mock"}
        told = self.make(GUEST, "/orders", form)
        self.created(told, Payment(ORDER_MINOR, 0, None, None, order=told["order_id"]))
        if outcome is not None:
            self.finish(told["payment_id"], outcome)

    @rule(pick=PICK)
    def order_is_tried_again(self, pick: int) -> None:
        orders = sorted({one.order for one in self.book.payments.values() if one.order is not None})
        if not orders:
            return
        order = orders[pick % len(orders)]
        answer = self.ask(GUEST, f"/orders/{order}/payments", {}, key=True)
        told = answer.json()

        def made(book: Model) -> tuple[str, Model]:
            if book.paid_by(order) is not None:
                return "already_paid", book
            return "pending", book.ended_older(order).created(told["payment_id"], Payment(ORDER_MINOR, 0, None, None, order=order))

        self.sessions[told.get("payment_id", "")] = told.get("session_id", "")
        self.step(answer, 201, made, [("order", order)])

    @rule(pick=PICK, outcome=st.sampled_from(("success", "failure")))
    def is_completed(self, pick: int, outcome: str) -> None:
        payment_id = self.picked(pick, lambda one: not one.from_balance and not self.is_in_vain(one))
        if payment_id is not None:
            self.finish(payment_id, outcome)

    @rule(pick=PICK)
    def is_confirmed(self, pick: int) -> None:
        payment_id = self.picked(pick, lambda one: one.payer is not None and not self.is_in_vain(one))
        if payment_id is not None:
            answer = self.ask(self.payer(payment_id), f"/payments/confirm/{payment_id}")
            self.step(answer, 200, lambda book: book.confirmed(payment_id), [("payment", payment_id)], told="confirmed")

    @rule(pick=PICK)
    def is_canceled(self, pick: int) -> None:
        payment_id = self.picked(pick, lambda one: one.payer is not None and not self.is_in_vain(one))
        if payment_id is not None:
            answer = self.ask(self.payer(payment_id), f"/payments/{payment_id}/cancel")
            self.step(answer, 200, lambda book: book.canceled(payment_id), [("payment", payment_id)])

    @rule(
        pick=PICK,
        outcome=st.sampled_from(("success", "success", "failure")),
        duplicate=st.integers(min_value=0, max_value=2),
        more=st.sampled_from((0, 0, 0, 1, 500, -1)),
    )
    def provider_tells(self, pick: int, outcome: Any, duplicate: int, more: int) -> None:
        """Whatever was told before, and `more` was paid than was asked for, or less."""
        payment_id = self.picked(pick, lambda one: not one.from_balance)
        if payment_id is None:
            return
        payment = self.book.payments[payment_id]
        amount = max(1, payment.amount + more)
        told = {"amount": str(Money(amount, self.currency).major)} if outcome == "success" and amount != payment.amount else {}
        answer = self.ask(ADMIN, f"/mock/payments/{payment_id}", {"outcome": outcome, "duplicate": duplicate} | told)
        facts = [*self.of(payment_id), ("suspense", payment_id), ("event", f"{payment_id} {answer.json()['event_id']}")]
        self.step(answer, 200, lambda book: ("told", book.provider_tells(payment_id, outcome, amount)), facts, told="told")

    @rule(pick=PICK, decision=st.sampled_from(("assign_user", "assign_payment", "refund", "write_off")), which=PICK)
    def suspense_is_decided(self, pick: int, decision: Decision, which: int) -> None:
        items = self.book.items
        if not items:
            return
        number = pick % len(items)
        item = items[number]
        alike = [
            one["id"]
            for one in self.site.items([item.payment])
            if (one["reason"], one["amount_minor"], one["status"]) == (item.reason, item.amount, item.status)
        ]
        to_payment = self.picked(which, lambda one: not one.from_balance) or ""
        target = to_payment if decision == "assign_payment" else list(self.users.values())[which % len(self.users)]
        body = {
            "assign_user": {"user_id": target},
            "assign_payment": {"payment_id": target},
            "refund": {},
            "write_off": {"reference": "B-1", "reason": "nobody knows whose"},
        }[decision]
        action = {"assign_user": "assign", "assign_payment": "assign", "write_off": "write-off"}.get(decision, decision)
        answer = self.ask(ADMIN, f"/suspense/{alike[0]}/{action}", body, key=True)
        facts = [("suspense", item.payment), *self.of(to_payment)]
        self.step(answer, 200, lambda book: book.item_decided(number, decision, target), facts)

    @rule(giver=WHO, taker=WHO, amount=AMOUNT)
    def transfer(self, giver: str, taker: str, amount: int) -> None:
        if giver == taker:
            return
        ends = {"from_user_id": self.users[giver], "to_user_id": self.users[taker]}
        answer = self.ask(ADMIN, "/transfers", self.money(amount) | ends, key=True)
        self.step(answer, 201, lambda book: book.transferred(self.users[giver], self.users[taker], amount), [])

    # ---- money back

    @rule(pick=PICK, part=st.sampled_from((None, None, 1, 2, 3, 0)), how=HOW, force=st.booleans())
    def refund(self, pick: int, part: int | None, how: How, force: bool) -> None:
        """All that is left, a part of the payment, or (0) more than all of it."""
        payment_id = self.picked(pick, lambda one: one.status == "completed" or pick % 4 == 0)
        if payment_id is None:
            return
        payment = self.book.payments[payment_id]
        amount = None if part is None else payment.amount + 1 if part == 0 else -(-payment.amount // part)
        how = how if self.slow < SLOW_AT_ONCE else "at once"
        asker = self.mentor if payment.credited == self.mentor and payment.payer != self.mentor and not force else ADMIN
        body = {"reason": _REASONS[how], "force": force} | ({} if amount is None else {"amount": amount})
        answer = self.ask(asker, f"/payments/refund/{payment_id}", body, key=True)
        refund_id = answer.json().get("refund_id", "")
        facts = [*self.of(payment_id), *([("refund", f"{payment_id} {refund_id}")] if refund_id else [])]
        self.step(
            answer,
            201,
            lambda book: book.refund(f"{payment_id} {refund_id}", payment_id, amount, how=how, force=force),
            facts + self.all("withdrawal"),
            told=answer.json().get("refund_status"),
        )

    @rule(pick=PICK, event=st.sampled_from(("opened", "opened", "won", "lost")))
    def dispute(self, pick: int, event: DisputeEvent) -> None:
        payment_id = self.picked(pick, lambda one: one.status == "completed")
        if payment_id is not None:
            answer = self.ask(ADMIN, "/mock/disputes", {"payment_id": payment_id, "event": event})
            heard = [("event", f"{payment_id} {answer.json()['event_id']}")] if answer.status_code == 200 else []
            facts = self.of(payment_id) + self.all("withdrawal") + heard
            self.step(answer, 200, lambda book: book.disputed(payment_id, event), facts, told="told")

    # ---- money out

    @rule(who=WHO, amount=AMOUNT, account=ACCOUNT, decision=st.sampled_from((None, "approve", "approve", "reject", "cancel")))
    def withdraw(self, who: str, amount: int, account: PayoutAccount, decision: Any) -> None:
        account = account if self.slow < SLOW_AT_ONCE else "pays"
        destination = {"type": "bank_account", "account": _BANKS[account], "name": "Petar Petrović"}
        answer = self.ask(self.users[who], "/balance/withdraw", {**self.money(amount), "destination": destination}, key=True)
        withdrawal_id = answer.json().get("withdrawal_id", "")
        withdrawal = Withdrawal(self.users[who], amount, account)
        facts = [("withdrawal", withdrawal_id)] if withdrawal_id else []
        self.step(answer, 201, lambda book: book.withdrawn(withdrawal_id, withdrawal), facts)
        if withdrawal_id and decision is not None:
            self.decide(withdrawal_id, decision)

    @rule(pick=PICK, decision=st.sampled_from(("approve", "approve", "reject", "cancel")))
    def withdrawal_is_decided(self, pick: int, decision: Any) -> None:
        if self.book.withdrawals:
            self.decide(list(self.book.withdrawals)[pick % len(self.book.withdrawals)], decision)

    # ---- asking again

    @rule(pick=PICK)
    def repeat(self, pick: int) -> None:
        """The same key, the same request: the first answer, byte for byte, and nothing moves."""
        if self.asked:
            first = self.asked[pick % len(self.asked)]
            again = self.site.ask(first.who, "POST", first.path, first.body, key=first.key)
            assert (again.status_code, again.content) == (first.answer.status_code, first.answer.content), again.text
            assert again.headers["Idempotent-Replayed"] == "true"
            self.heard["repeat", "replayed"] += 1
            self.compare([])

    @rule(pick=PICK)
    def another_request_under_its_key(self, pick: int) -> None:
        if self.asked:
            first = self.asked[pick % len(self.asked)]
            other = self.site.ask(first.who, "POST", first.path, first.body | {"metadata": {"other": "yes"}}, key=first.key)
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused"), other.text
            self.heard["another_request_under_its_key", "refused"] += 1
            self.compare([])
