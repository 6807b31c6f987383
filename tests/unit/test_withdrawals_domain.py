"""What a withdrawal may become, from which state, by whose word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain import withdrawal_decisions as decisions
from services.payments.domain import withdrawals as domain
from services.payments.domain.facts import PayoutTold
from services.payments.domain.withdrawal_decisions import Actor, Against, Known, Moved, NotHeldYet, Verdict
from services.payments.domain.withdrawals import Status, Step, Withdrawal
from shared.contracts.payment_commands import Refused
from shared.money import Money

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
OWNER, ADMIN, STRANGER = Actor("1", is_admin=False), Actor("9", is_admin=True), Actor("3", is_admin=False)
REQUESTED = Withdrawal(
    withdrawal_id=UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"),
    user_id="1",
    money=Money(1_000, "rsd"),
    destination=b"sealed",
    destination_type="bank_account",
    account_masked="****8995",
    name_masked="J***",
    payout_method="mock",
    status=Status.PENDING,
    step=Step.RESERVING,
    caller="user:1",
    correlation_id="request-1",
    created_at=NOON,
    updated_at=NOON,
)
HELD = domain.held(REQUESTED, NOON, automatic=False)
REFUSED = domain.refused(REQUESTED, Refused(code="insufficient_funds", detail="", request_id="r"), NOON)
APPROVED = domain.approved(HELD, "user:9", NOON)
SENDING = domain.sending(APPROVED, NOON)
SETTLING = domain.paid_out(SENDING, "po_1", NOON)
PAID = domain.through(SETTLING, NOON)
FAILING = domain.not_paid_out(SENDING, "closed", NOON)
FAILED = domain.through(FAILING, NOON)
CANCELED = domain.through(domain.called_off(HELD, "cancel", "user:1", None, NOON), NOON)
REJECTED = domain.through(domain.called_off(HELD, "reject", "user:9", "no", NOON), NOON)
RETURNING = domain.coming_back(PAID, "po_1", NOON)
RETURNED = domain.through(RETURNING, NOON)
STATES = {
    "reserving": REQUESTED, "held": HELD, "refused": REFUSED, "approved": APPROVED, "sending": SENDING, "settling": SETTLING, "paid": PAID,
    "failing": FAILING, "failed": FAILED, "canceled": CANCELED, "rejected": REJECTED, "returning": RETURNING, "returned": RETURNED,
}  # fmt: skip


def asked(withdrawal: Withdrawal, decision: str, actor: Actor = ADMIN) -> Verdict:
    long_ago: dict[str, Any] = {"unknown_before": NOON, "now": NOON}
    match decision:
        case "approve":
            return decisions.approve(withdrawal, actor, NOON)
        case "reject":
            return decisions.reject(withdrawal, actor, "no", NOON)
        case "cancel":
            return decisions.cancel(withdrawal, OWNER, NOON)
        case "mark_paid":
            return decisions.mark_paid(withdrawal, actor, "po_1", NOON)
        case "mark_failed":
            return decisions.mark_failed(withdrawal, actor, "closed", NOON)
        case "mark_returned":
            return decisions.mark_returned(withdrawal, actor, "po_1", NOON)
        case "resolve_paid":
            return decisions.resolve_paid(withdrawal, actor, "po_1", **long_ago)
        case _:
            return decisions.resolve_failed(withdrawal, actor, "closed", **long_ago)


def name(verdict: Verdict) -> str:
    match verdict:
        case Moved(withdrawal):
            return withdrawal.step.value
        case Known():
            return "known"
        case NotHeldYet():
            return "not held yet"
        case Against(code):
            return code


# What each decision makes of each state; those that are not named refuse with withdrawal_final.
LEGAL = {
    "approve": {
        "reserving": "not held yet", "held": "approved", "approved": "known", "sending": "known", "settling": "known", "paid": "known",
        "failing": "known", "failed": "known", "returning": "known", "returned": "known",
    },
    "reject": {
        "reserving": "releasing", "held": "releasing", "rejected": "known", "approved": "withdrawal_not_pending",
        "sending": "withdrawal_not_pending",
    },
    "cancel": {
        "reserving": "releasing", "held": "releasing", "canceled": "known", "approved": "withdrawal_not_pending",
        "sending": "withdrawal_not_pending",
    },
    "mark_paid": {
        "reserving": "withdrawal_not_sent", "held": "withdrawal_not_sent", "approved": "settling", "sending": "settling",
        "settling": "known", "paid": "known", "returning": "known", "returned": "known",
    },
    "mark_failed": {
        "reserving": "withdrawal_not_sent", "held": "withdrawal_not_sent", "approved": "releasing", "sending": "releasing",
        "failing": "known", "failed": "known",
    },
    "mark_returned": {
        "reserving": "withdrawal_not_paid", "held": "withdrawal_not_paid", "approved": "withdrawal_not_paid",
        "sending": "withdrawal_not_paid", "failing": "withdrawal_not_paid", "settling": "settling", "paid": "returning",
        "returning": "known", "returned": "known",
    },
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("decision", LEGAL)
def test_each_decision_in_each_state(decision: str, state: str) -> None:
    method = domain.MANUAL if decision.startswith("mark") else "mock"
    verdict = asked(replace(STATES[state], payout_method=method), decision)

    assert name(verdict) == LEGAL[decision].get(state, "withdrawal_final")


@pytest.mark.parametrize("decision", ["approve", "reject", "mark_paid", "mark_failed", "mark_returned", "resolve_paid", "resolve_failed"])
def test_what_an_admin_decides_nobody_else_does_nor_an_admin_about_their_own(decision: str) -> None:
    for state in STATES.values():
        by_hand = replace(state, payout_method=domain.MANUAL)
        for actor in (OWNER, STRANGER, Actor("1", is_admin=True)):
            assert name(asked(by_hand, decision, actor)) == "forbidden"


def test_only_the_owner_cancels() -> None:
    assert name(decisions.cancel(HELD, ADMIN, NOON)) == "forbidden"
    assert name(decisions.cancel(HELD, Actor("1", is_admin=True), NOON)) == "releasing"


@pytest.mark.parametrize(
    ("sent_at", "unknown_since", "paid", "failed"),
    [
        (NOON, NOON + timedelta(seconds=1), "payout_not_overdue", "payout_not_overdue"),
        (NOON, NOON, "settling", "releasing"),
        # Nobody could note that it is unknown: the provider is off by now, or asking it fails.
        (NOON + timedelta(seconds=1), None, "payout_not_overdue", "payout_not_overdue"),
        (NOON, None, "settling", "releasing"),
    ],
)
def test_only_a_payout_that_is_unknown_for_long_is_resolved(
    sent_at: datetime, unknown_since: datetime | None, paid: str, failed: str
) -> None:
    unknown = replace(SENDING, updated_at=sent_at, unknown_since=unknown_since)
    assert (name(asked(unknown, "resolve_paid")), name(asked(unknown, "resolve_failed"))) == (paid, failed)
    by_hand = replace(unknown, payout_method=domain.MANUAL, unknown_since=None)
    assert name(asked(by_hand, "resolve_paid")) == "payout_not_overdue", "nobody but an operator knows: marked, not resolved"
    assert name(asked(PAID, "resolve_paid")) == "known"
    assert name(asked(PAID, "resolve_failed")) == "withdrawal_final"


@pytest.mark.parametrize(
    ("state", "paid", "failed", "returned"),
    [
        ("held", "withdrawal_not_sent", "payout_of_another_state", "payout_of_another_state"),
        ("sending", "settling", "releasing", "settling"),
        ("settling", "known", "settling", "settling"),
        ("paid", "known", "returning", "returning"),
        ("failing", "withdrawal_final", "known", "payout_of_another_state"),
        ("failed", "withdrawal_final", "known", "payout_of_another_state"),
        ("canceled", "withdrawal_final", "payout_of_another_state", "payout_of_another_state"),
        ("returned", "known", "known", "known"),
    ],
)
def test_what_a_provider_tells(state: str, paid: str, failed: str, returned: str) -> None:
    def told(outcome: Any) -> str:
        return name(decisions.told(STATES[state], PayoutTold(REQUESTED.withdrawal_id, "po_1", outcome, NOON), NOON))

    assert (told("paid"), told("failed"), told("returned")) == (paid, failed, returned)


def test_one_that_came_back_before_it_was_settled_leaves_first_and_then_comes_back() -> None:
    verdict = decisions.told(SENDING, PayoutTold(REQUESTED.withdrawal_id, "po_1", "returned", NOON), NOON)
    assert isinstance(verdict, Moved)
    settled = domain.through(verdict.withdrawal, NOON)
    assert (settled.status, settled.step) == (Status.PAID, Step.RETURNING)
    assert domain.through(settled, NOON).status is Status.RETURNED


@given(st.lists(st.sampled_from(["approve", "reject", "cancel", "send", "paid", "declined", "through", "told_failed", "told_returned"])))
def test_whatever_comes_in_whatever_order_money_leaves_at_most_once_and_only_approved(words: list[str]) -> None:
    """settled − returned, and released: exactly one of them in the end, and never both."""
    now, out, back = HELD, 0, 0
    for word in words:
        before = now
        if word == "send" and now.step is Step.APPROVED:
            now = domain.sending(now, NOON)
        elif word in ("paid", "declined") and now.step is Step.SENDING:
            now = domain.paid_out(now, "po_1", NOON) if word == "paid" else domain.not_paid_out(now, "closed", NOON)
        elif word == "through" and now.outcome is not None:
            now = domain.through(now, NOON)
            out += before.step is Step.SETTLING
            out -= before.step is Step.RETURNING
            back += before.step is Step.RELEASING
        elif word.startswith("told"):
            outcome: Any = word.removeprefix("told_")
            verdict = decisions.told(now, PayoutTold(now.withdrawal_id, "po_1", outcome, NOON), NOON)
            now = verdict.withdrawal if isinstance(verdict, Moved) else now
        elif word in ("approve", "reject", "cancel"):
            verdict = asked(now, word)
            now = verdict.withdrawal if isinstance(verdict, Moved) else now
        assert (out, back) in ((0, 0), (1, 0), (0, 1))
        assert out == (now.status is Status.PAID)
        assert back == (now.status in (Status.REJECTED, Status.CANCELED, Status.FAILED))
        assert now.decision == "approve" or now.status not in (Status.APPROVED, Status.SENDING, Status.PAID, Status.RETURNED)


@pytest.mark.parametrize(
    ("account", "masked"),
    [
        ("160-0000000056789-95", "****8995"),
        ("RS35 2600 0560 1001 6113 79", "****1379"),
        ("12345", "****45"),
        ("1234", "****34"),
        ("1---", "****"),
        ("----", "****"),
    ],
)
def test_of_an_account_the_last_characters_are_shown_and_never_most_of_it(account: str, masked: str) -> None:
    assert domain.masked_account(account) == masked


def test_of_a_name_the_initials_are_shown() -> None:
    assert domain.masked_name("Jelena Jovanović-Šar") == "J*** J***"
    assert domain.masked_name("李") == "李***"


def test_what_may_be_decided_is_what_would_move_it() -> None:
    """A page offers these, and nothing that would be refused; what nobody knows the end of only a day later."""
    by_mock = {name: decisions.possible(state, unknown_before=NOON, now=NOON) for name, state in STATES.items()}
    assert {name: found for name, found in by_mock.items() if found} == {
        "reserving": ("reject",),
        "held": ("approve", "reject"),
        "sending": ("resolve_paid", "resolve_failed"),
    }
    assert decisions.possible(SENDING, unknown_before=NOON - timedelta(seconds=1), now=NOON) == ()
    by_hand = {
        name: decisions.possible(replace(state, payout_method=domain.MANUAL), unknown_before=NOON, now=NOON)
        for name, state in STATES.items()
    }
    assert {name: found for name, found in by_hand.items() if found} == {
        "reserving": ("reject",),
        "held": ("approve", "reject"),
        "approved": ("mark_paid", "mark_failed"),
        "sending": ("mark_paid", "mark_failed"),
        "settling": ("mark_returned",),
        "paid": ("mark_returned",),
    }
