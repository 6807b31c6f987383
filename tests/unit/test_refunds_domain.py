"""Refunds decided without any I/O: the fee's share, who may ask, what moves in the book, what a provider's word does to each state."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.domain import refund_steps as steps
from services.payments.domain import refunds as domain
from services.payments.domain.facts import RefundTold
from services.payments.domain.payments import Payment, Status
from services.payments.domain.refund_steps import Told
from services.payments.domain.refunds import Asked, Refund, State
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import Leg
from shared.money import Money

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAYMENT = Payment(
    payment_id=UUID(int=1),
    session_id=UUID(int=2),
    user_id="1",
    kind="payment",
    provider="mock",
    money=Money(5000, "usd"),
    status=Status.COMPLETED,
    locale="en",
    correlation_id="c",
    created_at=NOON,
    updated_at=NOON,
    charge_reference="ch_1",
    completed_at=NOON,
    mentor_id="2",
    coaching_session_id="1",
    fee_minor=500,
)


def asked(**changes: Any) -> Asked:
    fields: dict[str, Any] = {
        "refund_id": UUID(int=3),
        "requested_by": "9",
        "is_admin": True,
        "amount_minor": None,
        "reason": "",
        "force": False,
        "manual_reference": None,
        "caller": "user:9",
        "external_id": None,
        "metadata": {},
        "correlation_id": "c",
    }
    return Asked(**(fields | changes))


def refund(state: State = State.RESERVING, **changes: Any) -> Refund:
    """3000 of PAYMENT, of which 300 is the fee."""
    begun = domain.begin(PAYMENT, asked(amount_minor=3000), 0, sendable=True, now=NOON)
    assert isinstance(begun, Refund)
    return replace(begun, state=state, **changes)


def word(outcome: Literal["pending", "succeeded", "failed"], *, seconds: float = 0, amount_minor: int = 3000) -> RefundTold:
    at = NOON + timedelta(seconds=seconds)
    return RefundTold(UUID(int=2), UUID(int=3), "re_1", Money(amount_minor, "usd"), outcome, at, "because")


@st.composite
def payments_and_parts(draw: st.DrawFn) -> tuple[Payment, list[int]]:
    """A payment with a fee, and its amount in parts."""
    amount = draw(st.integers(1, 10**15))
    fee = draw(st.integers(0, amount - 1))
    cuts = sorted([*draw(st.lists(st.integers(1, amount), max_size=12, unique=True)), amount])
    parts = [after - before for before, after in zip([0, *cuts], cuts, strict=False) if after > before]
    return replace(PAYMENT, money=Money(amount, "usd"), fee_minor=fee), parts


@settings(deadline=None)
@given(payments_and_parts(), st.randoms())
def test_the_fee_goes_back_in_proportion_and_all_of_it_with_the_last_in_every_order(drawn: tuple[Payment, list[int]], random: Any) -> None:
    payment, parts = drawn
    random.shuffle(parts)
    given_back = back = 0
    for part in parts:
        share = domain.fee_back(replace(payment, refunded_minor=back), part, given_back)
        assert 0 <= share <= part
        back, given_back = back + part, given_back + share
        assert given_back == payment.fee_minor * back // payment.money.amount_minor
    assert (back, given_back) == (payment.money.amount_minor, payment.fee_minor)


@settings(deadline=None)
@given(payments_and_parts(), st.data())
def test_whichever_refunds_fail_the_fee_never_goes_back_twice_and_is_caught_up_with(
    drawn: tuple[Payment, list[int]], data: st.DataObject
) -> None:
    payment, parts = drawn
    live: list[tuple[int, int]] = []
    for part in parts * 2:
        back, given_back = sum(amount for amount, _ in live), sum(share for _, share in live)
        if back + part > payment.money.amount_minor:
            continue
        share = domain.fee_back(replace(payment, refunding_minor=back), part, given_back)
        assert 0 <= share <= part
        live.append((part, share))
        total = given_back + share
        assert total <= payment.fee_minor
        proportion = payment.fee_minor * (back + part) // payment.money.amount_minor
        assert total >= min(proportion, given_back + part), "as much as the proportion says, as far as this refund can carry it"
        if data.draw(st.booleans()):
            live.pop(data.draw(st.integers(0, len(live) - 1)))


@pytest.mark.parametrize(
    ("payment", "request_", "sendable", "code"),
    [
        (None, {}, True, "payment_not_found"),
        (PAYMENT, {"requested_by": "3", "is_admin": False}, True, "payment_not_found"),
        (PAYMENT, {"requested_by": "1", "is_admin": False}, True, "forbidden"),
        (PAYMENT, {"requested_by": "2", "is_admin": False, "force": True}, True, "forbidden"),
        (PAYMENT, {"requested_by": "2", "is_admin": False, "manual_reference": "x"}, True, "forbidden"),
        (replace(PAYMENT, status=Status.PENDING), {}, True, "payment_not_refundable"),
        (replace(PAYMENT, status=Status.FAILED), {}, True, "payment_not_refundable"),
        (replace(PAYMENT, dispute_status="open"), {}, True, "payment_disputed"),
        (replace(PAYMENT, dispute_status="lost"), {}, True, "payment_disputed"),
        (PAYMENT, {}, False, "refund_not_supported"),
        (replace(PAYMENT, provider="balance"), {"manual_reference": "x"}, True, "invalid_request"),
        (replace(PAYMENT, refunding_minor=5000), {}, True, "already_refunded"),
        (replace(PAYMENT, refunded_minor=3000, refunding_minor=2000), {"amount_minor": 1}, True, "already_refunded"),
        (replace(PAYMENT, refunded_minor=3000), {"amount_minor": 2001}, True, "refund_exceeds_payment"),
    ],
)
def test_what_is_refused(payment: Payment | None, request_: dict[str, Any], sendable: bool, code: str) -> None:
    refusal = domain.begin(payment, asked(**request_), 0, sendable=sendable, now=NOON)
    assert isinstance(refusal, Refused)
    assert refusal.code == code


def test_what_begins_and_from_whom_it_is_taken() -> None:
    by_mentor = domain.begin(PAYMENT, asked(requested_by="2", is_admin=False), 0, sendable=True, now=NOON)
    forced = domain.begin(PAYMENT, asked(force=True), 0, sendable=True, now=NOON)
    by_hand = domain.begin(PAYMENT, asked(manual_reference="bank-1"), 0, sendable=False, now=NOON)
    order = replace(PAYMENT, kind="order", mentor_id=None, fee_minor=0, order_id=UUID(int=4))
    of_order = domain.begin(order, asked(force=True), 0, sendable=True, now=NOON)

    assert isinstance(by_mentor, Refund)
    assert (by_mentor.money.amount_minor, by_mentor.wanted_minor, by_mentor.owner_id, by_mentor.state) == (5000, 4500, "2", State.RESERVING)
    assert isinstance(forced, Refund)
    assert (forced.state, forced.forced) == (State.FREEING, True)
    assert isinstance(by_hand, Refund)
    assert (by_hand.origin, by_hand.forced, by_hand.provider_reference) == ("manual", True, "bank-1")
    assert isinstance(of_order, Refund)
    assert (of_order.owner_id, of_order.needs_hold, of_order.state) == (None, False, State.RESERVING), "revenue needs no cover"


def sums(legs: tuple[Leg, ...], *, sign: int = 1) -> Counter[tuple[str, str]]:
    moved: Counter[tuple[str, str]] = Counter()
    for leg in legs:
        moved[leg.source.kind, leg.source.owner] -= sign * leg.amount_minor
        moved[leg.target.kind, leg.target.owner] += sign * leg.amount_minor
    return moved


@settings(deadline=None)
@given(st.integers(1, 10**15), st.data())
def test_what_settles_brings_the_whole_sum_to_the_provider_and_a_reversal_takes_it_back_as_it_came(
    amount: int, data: st.DataObject
) -> None:
    fee = data.draw(st.integers(0, amount))
    held = data.draw(st.integers(0, amount - fee))
    excess = data.draw(st.integers(0, 10**15 - amount))
    taken = replace(refund(), money=Money(amount, "usd"), fee_minor=fee, forced=True, excess_minor=excess)
    taken = steps.reserved(taken, held if taken.needs_hold else None, NOON)

    settled = sums(steps.settling_legs(taken, "1"))
    if taken.held_minor:
        settled.update({("clearing", "mock"): held, ("user", "2"): -held})
    assert settled["clearing", "mock"] == amount + excess
    assert settled["loss", "platform"] == -(amount - fee - held if taken.needs_hold else 0) - excess
    assert settled["fees", "platform"] == -fee
    assert sum(settled.values()) == 0
    undone = sums(steps.reversing_legs(taken))
    assert all(settled[account] + undone[account] == 0 for account in {*settled, *undone})


def test_a_failure_that_is_known_makes_older_successes_come_too_late() -> None:
    failed = steps.tell(refund(State.FAILED, failure_reason="declined"), word("failed", seconds=2))
    assert isinstance(failed, Refund)
    assert (failed.state, steps.tell(failed, word("succeeded", seconds=1))) == (State.FAILED, Told.UNCHANGED)
    assert steps.tell(failed, word("succeeded", seconds=3)) is Told.ELSEWHERE, "then the money has left after all"


def test_a_payment_from_the_balance_ends_at_its_payer() -> None:
    moved = sums(steps.settling_legs(replace(refund(held_minor=2700, loss_minor=0), provider="balance"), "1"))
    assert moved == {("fees", "platform"): -300, ("clearing", "balance"): 300 - 3000, ("user", "1"): 3000}


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [
        (None, State.RESERVING, (3000, 0)),
        (State.RESERVING, State.SENDING, (0, 0)),
        (State.SETTLING, State.SUCCEEDED, (-3000, 3000)),
        (State.SETTLING, State.REVERSING, (-3000, 3000)),
        (State.SUCCEEDED, State.REVERSING, (0, 0)),
        (State.REVERSING, State.FAILED, (0, -3000)),
        (State.SENDING, State.RELEASING, (0, 0)),
        (State.RELEASING, State.FAILED, (-3000, 0)),
    ],
)
def test_what_counts_as_on_its_way_and_as_back(before: State | None, after: State, counted: tuple[int, int]) -> None:
    assert steps.counted(None if before is None else refund(before), refund(after)) == counted


OUTCOMES: tuple[Literal["pending", "succeeded", "failed"], ...] = ("pending", "succeeded", "failed")
BY_REQUEST: dict[State, tuple[State | Told, State | Told, State | Told]] = {
    # state: what each of OUTCOMES makes of it
    State.FREEING: (Told.UNCHANGED, State.FREEING, Told.UNCHANGED),
    State.RESERVING: (Told.UNCHANGED, State.RESERVING, Told.UNCHANGED),
    State.SENDING: (State.PENDING, State.SETTLING, State.RELEASING),
    State.PENDING: (Told.UNCHANGED, State.SETTLING, State.RELEASING),
    State.SETTLING: (Told.UNCHANGED, State.SETTLING, State.SETTLING),
    State.SUCCEEDED: (Told.UNCHANGED, State.SUCCEEDED, State.REVERSING),
    State.RELEASING: (Told.UNCHANGED, Told.EARLY, Told.UNCHANGED),
    State.REVERSING: (Told.UNCHANGED, Told.EARLY, Told.UNCHANGED),
    State.FAILED: (Told.UNCHANGED, Told.ELSEWHERE, State.FAILED),
}


@pytest.mark.parametrize("state", list(State))
def test_what_a_providers_word_does_in_every_state(state: State) -> None:
    for outcome, expected in zip(OUTCOMES, BY_REQUEST[state], strict=True):
        after = steps.tell(refund(state), word(outcome))
        assert (after if isinstance(after, Told) else after.state) is expected, outcome
        late = steps.tell(refund(state, told_at=NOON + timedelta(seconds=1)), word(outcome))
        assert late is Told.UNCHANGED, "older than what is known"
        assert steps.tell(refund(state), word(outcome, amount_minor=2999)) is Told.MISMATCH


@pytest.mark.parametrize("state", [State.FREEING, State.RESERVING, State.SETTLING])
def test_a_failure_told_while_it_is_being_taken_is_taken_then_reversed(state: State) -> None:
    after = steps.tell(refund(state, origin="provider", held_minor=2700, loss_minor=0), word("failed"))
    assert isinstance(after, Refund)
    assert (after.state, after.failure_reason) == (state, "because")
    assert steps.settled(after, NOON).state is State.REVERSING


def test_a_refund_is_sent_again_only_while_its_provider_knows_the_key() -> None:
    sent = steps.reserved(refund(), 2700, NOON)
    assert sent.state is State.SENDING
    assert steps.may_be_sent_again(sent, NOON + timedelta(hours=19))
    assert not steps.may_be_sent_again(sent, NOON + timedelta(hours=20))


def test_an_owner_who_has_too_little_ends_it() -> None:
    after = steps.not_covered(refund())
    assert (after.state, after.status, after.failure_reason) == (State.FAILED, "failed", "insufficient_funds")


def test_of_two_words_of_one_second_the_failure_is_the_later_one() -> None:
    pending = refund(State.PENDING, held_minor=2700, loss_minor=0, sent_at=NOON)
    succeeded = steps.tell(pending, word("succeeded"))
    assert isinstance(succeeded, Refund)
    failed_after = steps.tell(replace(succeeded, state=State.SUCCEEDED), word("failed"))
    assert isinstance(failed_after, Refund)
    assert failed_after.state is State.REVERSING

    failed_first = steps.tell(pending, word("failed"))
    assert isinstance(failed_first, Refund)
    for state in (State.RELEASING, State.FAILED):
        assert steps.tell(replace(failed_first, state=state), word("succeeded")) is Told.UNCHANGED
        assert steps.tell(replace(failed_first, state=state), word("succeeded", seconds=1)) is not Told.UNCHANGED
