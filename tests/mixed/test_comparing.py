"""The comparison finds every way in which two books can differ, and nothing where they agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.mixed import comparing
from tests.mixed.books import Book, Charge, Dispute, Money, OurBook, Payout, Refund
from tests.mixed.world import FEE_BPS

PAID, LESSON, LATER = UUID(int=1), UUID(int=2), UUID(int=3)
WITHDRAWAL = UUID(int=9)
FEE = 4_990 * FEE_BPS // 10_000

Change = Callable[[Book, OurBook], Any]


def payment(payment_id: UUID, kind: str, provider: str, charge: str, amount_minor: int, **more: Any) -> dict[str, Any]:
    known = {"payment_id": payment_id, "session": f"session-{payment_id.int}", "provider": provider, "kind": kind, "user_id": "u1"}
    known |= {"mentor_id": None, "order_id": None, "amount_minor": amount_minor, "currency": "eur", "status": "completed"}
    return known | {"charge_reference": charge, "fee_minor": 0, "dispute_status": None} | more


def books() -> tuple[Book, OurBook]:
    """A deposit with a refund, a lesson that is disputed, a second payment given to its payer, and a withdrawal to the deposit's card."""
    eur = [Money(amount, "eur") for amount in (2_000, 4_990, 300)]
    book = Book(
        charges=[
            Charge("allsecure", "a1", "session-1", eur[0]),
            Charge("stripe", "pi_2", "session-2", eur[1]),
            Charge("prodamus", "300", "session-3", eur[2]),
        ],
        refunds=[Refund("allsecure", "r1", "a1", Money(500, "eur"), "succeeded"), Refund("stripe", "r2", "pi_2", eur[2], "failed")],
        disputes=[Dispute("stripe", "d1", "pi_2", eur[1], holds=True)],
        payouts=[Payout("p1", str(WITHDRAWAL), Money(700, "eur"), "succeeded")],
        stripe_balance={},
    )
    item = {"provider": "prodamus", "charge_reference": "300", "part": "all", "amount_minor": 300, "currency": "eur", "status": "assigned"}
    item |= {"decision": "assign_user", "assigned_user_id": "u1", "reason": "second_payment", "refund_reference": None}
    refund = {"refund_id": UUID(int=5), "payment_id": PAID, "provider": "allsecure", "provider_reference": "r1", "state": "succeeded"}
    refund |= {"amount_minor": 500, "excess_minor": 0, "currency": "eur", "fee_minor": 0, "owner_id": "u1", "held_minor": 500}
    dispute = {"payment_id": LESSON, "provider": "stripe", "dispute_reference": "d1", "amount_minor": 4_990, "currency": "eur"}
    dispute |= {"state": "open", "owner_id": "m1", "owner_minor": 4_990 - FEE, "fee_minor": FEE}
    withdrawal = {"withdrawal_id": WITHDRAWAL, "user_id": "u1", "amount_minor": 700, "currency": "eur", "status": "paid", "step": "done"}
    payments = [
        payment(PAID, "deposit", "allsecure", "a1", 2_000),
        payment(LESSON, "payment", "stripe", "pi_2", 4_990, mentor_id="m1", fee_minor=FEE),
        payment(LATER, "deposit", "prodamus", "", 300, status="expired"),
    ]
    ours = OurBook(
        payments={str(row["payment_id"]): row for row in payments},
        refunds=[refund | {"wanted_minor": 500, "loss_minor": 0, "forced": False, "origin": "request"}],
        disputes=[dispute],
        withdrawals=[withdrawal],
        items=[item],
        clearing={("allsecure", "eur"): -800, ("stripe", "eur"): 0, ("prodamus", "eur"): -300},
        balances={("u1", "eur"): 1_100, ("m1", "eur"): 0},
        fees={"eur": 0},
        revenue={},
    )
    return book, ours


def test_books_that_agree() -> None:
    assert comparing.differences(*books()) == []


CHANGES: dict[str, tuple[Change, str]] = {
    "a charge that nobody here knows": (lambda b, o: b.charges.append(Charge("stripe", "pi_9", "s", Money(1, "eur"))), "unknown here"),
    "a payment that nobody paid": (lambda b, o: b.charges.pop(0), "completed by no charge"),
    "another sum": (lambda b, o: o.payments[str(PAID)].update(amount_minor=1_999), "completes"),
    "another currency": (lambda b, o: o.payments[str(PAID)].update(currency="usd"), "completes"),
    "another session's charge": (lambda b, o: o.payments[str(PAID)].update(session="session-8"), "another session's"),
    "one charge, two places": (lambda b, o: o.items[0].update(charge_reference="a1", provider="allsecure"), "suspense items"),
    "suspense of another sum": (lambda b, o: o.items[0].update(amount_minor=299), "in suspense as"),
    "suspense of nothing": (lambda b, o: b.charges.pop(), "is no charge there"),
    "a refund that was made twice": (lambda b, o: b.refunds.append(Refund("allsecure", "r9", "a1", Money(500, "eur"), "succeeded")), "r9"),
    "a refund that failed there": (
        lambda b, o: b.refunds.__setitem__(0, Refund("allsecure", "r1", "a1", Money(500, "eur"), "failed")),
        "succeeded here and not there",
    ),
    "a refund that failed here": (lambda b, o: o.refunds[0].update(state="failed"), "succeeded there and not here"),
    "a refund of another sum": (lambda b, o: o.refunds[0].update(amount_minor=499), "succeeded there and not here"),
    "a refund that is pending there": (
        lambda b, o: b.refunds.append(Refund("stripe", "r3", "pi_2", Money(1, "eur"), "pending")),
        "is pending there",
    ),
    "a loss that nobody forced": (lambda b, o: o.refunds[0].update(loss_minor=1), "was not forced"),
    "a dispute that is won there": (
        lambda b, o: b.disputes.__setitem__(0, Dispute("stripe", "d1", "pi_2", Money(4_990, "eur"), holds=False)),
        "not so here",
    ),
    "a dispute that nobody told of": (lambda b, o: o.disputes.clear(), "not so here"),
    "a dispute of nothing": (lambda b, o: b.disputes.clear(), "not so there"),
    "a payout that was made twice": (
        lambda b, o: b.payouts.append(Payout("p2", str(WITHDRAWAL), Money(700, "eur"), "succeeded")),
        "payout",
    ),
    "a payout that came back": (lambda b, o: b.payouts.clear(), "is paid here"),
    "money at a provider that we do not have": (lambda b, o: o.clearing.update({("stripe", "eur"): -1}), "at stripe lie"),
    "money of ours that is nowhere": (lambda b, o: o.clearing.update({("stripe", "jpy"): -1}), "at stripe lie 0 jpy"),
    "a balance that follows from nothing": (lambda b, o: o.balances.update({("u1", "eur"): 1_101}), "u1 is due 1100"),
    "a balance of nobody we know": (lambda b, o: o.balances.update({("u2", "eur"): 1}), "u2 is due 0"),
    "a fee that is not due": (lambda b, o: o.payments[str(LESSON)].update(fee_minor=FEE + 1), "has a fee of"),
    "fees that were kept": (lambda b, o: o.fees.update(eur=1), "fees are 1"),
    "revenue of no order": (lambda b, o: o.revenue.update(eur=1), "revenue is 1"),
    "another balance at Stripe": (lambda b, o: b.stripe_balance.update(eur=1), "Stripe has 1 eur"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_found(name: str) -> None:
    book, ours = books()
    change, said = CHANGES[name]
    change(book, ours)

    found = comparing.differences(book, ours)
    assert any(said in line for line in found), found
