"""Who bears what a dispute takes, and what a payment is told to be with its disputes, in whatever order they are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations, product
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain import disputes
from services.payments.domain.disputes import AT_REST, Dispute, GoneBefore, State
from services.payments.domain.facts import DisputeTold
from services.payments.domain.payments import Payment, Status
from shared.contracts.base import new_id
from shared.contracts.wallet_commands import MoveFunds
from shared.money import Money
from tests.unit.test_suspense_domain import NOON, a_payment

NOTHING = GoneBefore(0, 0)
Event = Literal["opened", "won", "lost"]


def a_paid_payment(**changes: Any) -> Payment:
    return a_payment(**({"status": Status.COMPLETED, "charge_reference": "ch_1", "completed_at": NOON} | changes))


def a_session_payment(fee_minor: int = 500) -> Payment:
    return a_paid_payment(kind="payment", mentor_id="2", coaching_session_id="1", fee_minor=fee_minor)


def a_dispute(payment: Payment, event: Event = "opened", amount_minor: int = 5_000, gone: GoneBefore = NOTHING) -> Dispute:
    assert payment.session_id is not None
    fact = DisputeTold(payment.session_id, "dp_1", event, Money(amount_minor, "usd"), NOON)
    return disputes.begin(payment, fact, gone, "event-1")


def parts(dispute: Dispute) -> tuple[str | None, int, int, int]:
    return dispute.owner_id, dispute.owner_minor, dispute.fee_minor, dispute.loss_minor


def test_the_owner_bears_it_less_the_fee_that_the_platform_returns() -> None:
    assert parts(a_dispute(a_paid_payment())) == ("1", 5_000, 0, 0)
    assert parts(a_dispute(a_session_payment())) == ("2", 4_500, 500, 0)
    assert parts(a_dispute(a_session_payment(), amount_minor=2_500)) == ("2", 2_250, 250, 0)


def test_what_is_back_or_on_its_way_back_is_not_taken_from_the_owner_again() -> None:
    assert parts(a_dispute(a_session_payment(), gone=GoneBefore(2_000, 200))) == ("2", 2_700, 300, 2_000)
    everything_back = a_dispute(a_session_payment(), gone=GoneBefore(5_000, 500))
    assert (parts(everything_back), everything_back.state) == (("2", 0, 0, 5_000), State.OPENING)


def test_an_orders_is_taken_from_the_revenue_and_nobodys_withdrawals_are_in_its_way() -> None:
    dispute = a_dispute(a_paid_payment(kind="order", user_id=None, order_id=new_id()))

    assert (parts(dispute), dispute.state) == ((None, 5_000, 0, 0), State.OPENING)
    assert sides(disputes.opened(dispute, None)) == [("revenue:platform", "clearing:mock", 5_000)]


def sides(command: MoveFunds) -> list[tuple[str, str, int]]:
    return [(f"{leg.source.kind}:{leg.source.owner}", f"{leg.target.kind}:{leg.target.owner}", leg.amount_minor) for leg in command.legs]


@given(
    amount_minor=st.integers(1, 10**9),
    fee_bps=st.integers(0, 9_999),
    disputed_minor=st.integers(1, 2 * 10**9),
    gone_share=st.integers(0, 100),
)
def test_whatever_is_taken_is_borne_and_given_back_to_the_same(
    amount_minor: int, fee_bps: int, disputed_minor: int, gone_share: int
) -> None:
    fee_minor = amount_minor * fee_bps // 10_000
    gone_minor = amount_minor * gone_share // 100
    payment = a_paid_payment(kind="payment", mentor_id="2", coaching_session_id="1", fee_minor=fee_minor, money=Money(amount_minor, "usd"))
    dispute = a_dispute(payment, amount_minor=disputed_minor, gone=GoneBefore(gone_minor, fee_minor * gone_minor // amount_minor))
    taken, given_back = disputes.opened(dispute, "mock:ch_1"), disputes.won(dispute)

    assert dispute.owner_minor + dispute.fee_minor + dispute.loss_minor == disputed_minor
    assert dispute.owner_minor + dispute.fee_minor <= amount_minor - gone_minor
    assert min(dispute.owner_minor, dispute.fee_minor, dispute.loss_minor) >= 0
    assert [(target, source, minor) for source, target, minor in sides(taken)] == sides(given_back)
    assert (taken.kind, taken.after, given_back.after) == ("dispute", "mock:ch_1", None)


def run(dispute: Dispute) -> Dispute:
    """Takes every step that can be taken."""
    while dispute.state not in AT_REST:
        dispute = disputes.through(dispute)
    return dispute


def hear(events: Sequence[Event], steps_between: Sequence[bool]) -> tuple[Dispute, list[State]]:
    """The dispute after the events, with or without time for the money to follow between them; and the states in which it rested."""
    dispute = a_dispute(a_paid_payment(), events[0])
    rested = []
    for event, time_to_step in zip(events[1:], steps_between, strict=True):
        if time_to_step:
            dispute = run(dispute)
            rested.append(dispute.state)
        dispute = disputes.told(dispute, event) or dispute
    return run(dispute), rested


@pytest.mark.parametrize("end", ["won", "lost"])
def test_it_ends_as_it_was_told_to_end_in_whatever_order_and_however_often(end: Event) -> None:
    for events in {*permutations(("opened", end)), *permutations(("opened", end, end)), (end,), (end, end), ("opened", "opened", end)}:
        for steps in product((False, True), repeat=len(events) - 1):
            dispute, _ = hear(events, steps)
            assert dispute.state == end, (events, steps)


def test_a_lost_one_may_be_won_after_all_but_what_was_won_stays_so_and_somebody_looks() -> None:
    for steps in product((False, True), repeat=2):
        assert hear(("opened", "lost", "won"), steps)[0].state is State.WON
        assert hear(("opened", "won", "lost"), steps)[0].state is State.WON
    won = run(a_dispute(a_paid_payment(), "won"))
    assert disputes.contradicts(won, "lost")
    assert not disputes.contradicts(won, "opened")


def test_the_payment_is_won_back_only_when_the_money_is() -> None:
    payment = a_paid_payment()
    opened = run(a_dispute(payment))
    closing = disputes.told(opened, "won")
    lost = disputes.told(opened, "lost")
    assert closing is not None
    assert lost is not None

    def status(*known: Dispute) -> str | None:
        return disputes.payment_with(payment, known, NOON).dispute_status

    assert status() is None
    assert status(a_dispute(payment)) == "open"
    assert status(opened) == "open"
    assert status(closing) == "open"
    assert status(run(closing)) == "won"
    assert status(lost) == "lost"
    assert status(run(closing), lost) == "lost"
    assert status(opened, lost) == "open"
    told = disputes.payment_with(payment, [run(closing)], NOON).told_at(NOON + timedelta(days=1))
    assert told == "completed", "its former status"
