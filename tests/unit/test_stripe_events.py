"""What Stripe's webhook events say to us: only what moves money, only of ours, only of our mode, and never by a guess."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.payments.domain import refund_steps
from services.payments.domain.facts import Closed, DisputeTold, Fact, Irrelevant, Look, Paid, RefundTold
from services.payments.domain.payments import Moved, Status, settle
from services.payments.domain.refunds import Refund, State
from services.payments.providers.stripe import events as stripe_events
from shared.contracts.base import new_id
from shared.delivery.errors import Permanent
from shared.money import Money
from tests.unit.stripe_doubles import INTENT, NOW, SESSION_ID, Json, a_dispute, a_payment, a_refund, an_event, an_intent

REFUND_ID = UUID("018f3a5e-0000-7000-8000-0000000000bb")
OURS = {"purser_refund_id": str(REFUND_ID), "purser_session_id": str(SESSION_ID)}
OLDER = "2025-03-31.basil"


def fact(kind: str, shown: Json, *, live: bool = False, **changes: Any) -> Fact:
    return stripe_events.read(an_event(kind, shown, **changes), live=live).fact


# ---- paying


def test_paid_is_what_was_received() -> None:
    told = fact("payment_intent.succeeded", an_intent(status="succeeded", amount=5_000, amount_received=4_900))
    assert told == Paid(SESSION_ID, INTENT, Money(4_900, "eur"), NOW)


def test_paid_in_stripes_units_is_told_in_ours() -> None:
    told = fact("payment_intent.succeeded", an_intent(status="succeeded", amount=50_000, amount_received=50_000, currency="isk"))
    assert isinstance(told, Paid)
    assert told.money == Money(500, "isk")


def test_canceled_is_closed() -> None:
    told = fact("payment_intent.canceled", an_intent(status="canceled"))
    assert isinstance(told, Closed)
    assert told.session_id == SESSION_ID


def test_what_we_end_when_its_time_is_over_has_expired_though_stripe_cuts_the_second_off() -> None:
    told = fact("payment_intent.canceled", an_intent(status="canceled"))
    assert isinstance(told, Closed)
    expiring = a_payment(expires_at=NOW + timedelta(seconds=0.7))
    moved = settle(expiring, told)
    assert isinstance(moved, Moved)
    assert moved.payment.status is Status.EXPIRED
    given_up = settle(a_payment(expires_at=NOW + timedelta(seconds=2)), told)
    assert isinstance(given_up, Moved)
    assert given_up.payment.status is Status.CANCELED


def test_a_declined_attempt_can_be_repeated() -> None:
    assert fact("payment_intent.payment_failed", an_intent()) == Irrelevant("attempt declined")


def test_what_a_bank_decides_later_is_asked_about_at_once() -> None:
    assert fact("payment_intent.processing", an_intent()) == Look(SESSION_ID)


@pytest.mark.parametrize("what", ["created", "requires_action", "amount_capturable_updated", "partially_funded", "invented"])
def test_what_decides_nothing(what: str) -> None:
    assert fact(f"payment_intent.{what}", an_intent()) == Irrelevant(f"type payment_intent.{what}")


@pytest.mark.parametrize("metadata", [{}, None, {"purser_session_id": "7"}, {"purser_session_id": SESSION_ID.hex}, {"order": "1"}])
@pytest.mark.parametrize("what", ["succeeded", "canceled", "payment_failed", "created"])
def test_a_shared_accounts_payments_are_somebody_elses(what: str, metadata: Json | None) -> None:
    # Even where they are of a kind that we could not read.
    told = fact(f"payment_intent.{what}", an_intent(metadata=metadata, currency="xyz", amount="?"))
    assert told == Irrelevant("no reference of ours")


# ---- refunds


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("pending", "pending"),
        ("requires_action", "pending"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
@pytest.mark.parametrize("what", ["created", "updated", "failed"])
def test_refunds_are_told_by_their_status(what: str, status: str, outcome: str) -> None:
    told = fact(f"refund.{what}", a_refund(status=status, metadata=OURS))
    assert isinstance(told, RefundTold)
    assert (told.session_id, told.refund_id, told.charge_reference) == (SESSION_ID, REFUND_ID, INTENT)
    assert (told.provider_reference, told.money, told.outcome, told.happened_at) == ("re_3Unit", Money(2_000, "eur"), outcome, NOW)


def test_a_failed_refund_says_why() -> None:
    told = fact("refund.failed", a_refund(status="failed", failure_reason="expired_or_canceled_card", metadata=OURS))
    assert isinstance(told, RefundTold)
    assert told.reason == "expired_or_canceled_card"


@pytest.mark.parametrize("metadata", [{}, None])
def test_a_refund_made_at_stripes_site_is_found_by_its_charge(metadata: Json | None) -> None:
    told = fact("refund.created", a_refund(metadata=metadata, reason="requested_by_customer"))
    assert isinstance(told, RefundTold)
    assert (told.session_id, told.refund_id, told.charge_reference, told.reason) == (None, None, INTENT, "requested_by_customer")


def test_a_refund_of_a_bare_charge_names_that() -> None:
    told = fact("refund.created", a_refund(payment_intent=None))
    assert isinstance(told, RefundTold)
    assert told.charge_reference == "ch_3Unit"


@pytest.mark.parametrize("shown", [a_refund(payment_intent=None, charge=None), a_refund(currency="xyz")])
def test_a_refund_that_cannot_be_ours(shown: Json) -> None:
    assert fact("refund.created", shown) == Irrelevant("no reference of ours")


@pytest.mark.parametrize("kind", ["charge.refunded", "charge.refund.updated"])
def test_the_other_family_of_refund_events_is_left_alone(kind: str) -> None:
    assert fact(kind, a_refund(metadata=OURS)) == Irrelevant(f"type {kind}")


def a_sent_refund(state: State) -> Refund:
    return Refund(
        refund_id=REFUND_ID,
        payment_id=new_id(),
        provider="stripe",
        money=Money(2_000, "eur"),
        fee_minor=0,
        owner_id="7",
        state=state,
        origin="request",
        forced=False,
        correlation_id="request-1",
        created_at=NOW,
        updated_at=NOW,
    )


def refund_told(status: str, seconds: int = 0) -> RefundTold:
    created = int((NOW + timedelta(seconds=seconds)).timestamp())
    told = fact("refund.updated", a_refund(status=status, metadata=OURS), created=created)
    assert isinstance(told, RefundTold)
    return told


def after(refund: Refund, *told: RefundTold) -> Refund:
    for one in told:
        answer = refund_steps.tell(refund, one)
        refund = answer if isinstance(answer, Refund) else refund
    return refund


def test_events_of_one_second_are_none_older_than_the_other() -> None:
    sent = a_sent_refund(State.SENDING)
    in_order = after(sent, refund_told("pending"), refund_told("succeeded"))
    reversed_order = after(sent, refund_told("succeeded"), refund_told("pending"))
    assert in_order.state is reversed_order.state is State.SETTLING
    failed = after(sent, refund_told("pending"), refund_told("failed"))
    assert (failed.state, after(sent, refund_told("failed"), refund_told("pending")).state) == (State.RELEASING, State.RELEASING)


def test_a_failure_of_the_same_second_is_the_later_one() -> None:
    settled = after(a_sent_refund(State.SUCCEEDED), refund_told("succeeded"))
    assert after(settled, refund_told("failed")).state is State.REVERSING
    failed = after(a_sent_refund(State.SENDING), refund_told("failed"))
    assert after(failed, refund_told("succeeded")).state is State.RELEASING


def test_what_is_older_by_a_second_comes_too_late() -> None:
    failed = after(a_sent_refund(State.SUCCEEDED), refund_told("succeeded"), refund_told("failed", seconds=5))
    assert after(failed, refund_told("succeeded", seconds=4)) == failed


# ---- disputes


@pytest.mark.parametrize(
    ("what", "status", "event"),
    [
        ("funds_withdrawn", "needs_response", "opened"),
        ("funds_reinstated", "won", "won"),
        ("funds_reinstated", "under_review", "won"),
        ("closed", "lost", "lost"),
    ],
)
def test_disputes_move_money_when_stripe_does(what: str, status: str, event: str) -> None:
    told = fact(f"charge.dispute.{what}", a_dispute(status=status))
    assert told == DisputeTold(None, "du_1Unit", event, Money(5_000, "eur"), NOW, charge_reference=INTENT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("created", "needs_response"),
        ("created", "warning_needs_response"),
        ("updated", "under_review"),
        ("closed", "won"),
        ("closed", "warning_closed"),
        ("closed", "prevented"),
    ],
)
def test_disputes_that_move_no_money_now(what: str, status: str) -> None:
    assert fact(f"charge.dispute.{what}", a_dispute(status=status)) == Irrelevant(f"type charge.dispute.{what}")


@pytest.mark.parametrize("shown", [a_dispute(payment_intent=None, charge=None), a_dispute(currency="xyz")])
def test_a_dispute_that_cannot_be_ours(shown: Json) -> None:
    assert fact("charge.dispute.funds_withdrawn", shown) == Irrelevant("no reference of ours")


# ---- whose, of which mode, in which version


PAID = an_intent(status="succeeded", amount_received=5_000)


@pytest.mark.parametrize(("key_is_live", "livemode"), [(True, False), (False, True)])
def test_the_other_modes_money_is_not_ours(key_is_live: bool, livemode: bool) -> None:
    with capture_logs() as logs:
        told = fact("payment_intent.succeeded", PAID, live=key_is_live, livemode=livemode)
    assert told == Irrelevant("of the other mode")
    assert [log["log_level"] for log in logs] == ["error"]


def test_live_events_with_a_live_key_count() -> None:
    assert isinstance(fact("payment_intent.succeeded", PAID, live=True, livemode=True), Paid)


def test_a_connected_accounts_events_are_not_ours() -> None:
    assert fact("payment_intent.succeeded", PAID, account="acct_1") == Irrelevant("a connected account's")


def versions_seen() -> float:
    return REGISTRY.get_sample_value("purser_provider_event_version_total", {"provider": "stripe"}) or 0.0


@pytest.mark.parametrize("what", ["succeeded", "canceled"])
@pytest.mark.parametrize("version", [OLDER, None])
def test_in_another_version_stripe_is_asked(what: str, version: str | None) -> None:
    before = versions_seen()
    # Whatever it looks like there: only our reference is read.
    assert fact(f"payment_intent.{what}", {"metadata": PAID["metadata"]}, api_version=version) == Look(SESSION_ID)
    assert versions_seen() == before + 1


def test_in_another_version_refunds_are_read_as_far_as_they_can_be() -> None:
    assert isinstance(fact("refund.updated", a_refund(metadata=OURS), api_version=OLDER), RefundTold)
    with pytest.raises(Permanent):
        fact("refund.updated", {"id": "re_1", "metadata": OURS}, api_version=OLDER)


def test_in_another_version_somebody_elses_payments_are_left_alone() -> None:
    assert fact("payment_intent.succeeded", an_intent(metadata={}), api_version=OLDER) == Irrelevant("no reference of ours")


def test_thin_events_are_kept_and_ignored() -> None:
    body = json.dumps({"id": "evt_thin", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found", "livemode": True})
    event = stripe_events.read(body.encode(), live=False)
    assert (event.event_id, event.fact) == ("evt_thin", Irrelevant("object v2.core.event"))


@pytest.mark.parametrize("kind", ["payout.paid", "customer.created", "review.opened", "ping", "x" * 100])
def test_other_types_are_kept_and_ignored(kind: str) -> None:
    event = stripe_events.read(an_event(kind, {"object": "whatever"}), live=False)
    assert (event.event_id, event.fact) == ("evt_1Unit", Irrelevant(f"type {kind[:40]}"))


# ---- what cannot be read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"\xff",
        b'{"id": "evt_1"}',
        an_event("payment_intent.succeeded", PAID, id="evt 1"),
        an_event("payment_intent.succeeded", PAID, id="e" * 256),
        an_event("payment_intent.succeeded", PAID, data=None),
        an_event("payment_intent.succeeded", PAID, created="now"),
        an_event("payment_intent.succeeded", PAID, created=10**12),
        an_event("payment_intent.succeeded", PAID, livemode=None),
        an_event("payment_intent.succeeded", PAID | {"metadata": "x"}),
        an_event("payment_intent.succeeded", PAID | {"amount_received": "5000"}),
        an_event("payment_intent.succeeded", PAID | {"amount_received": 5000.0}),
        an_event("payment_intent.succeeded", PAID | {"amount_received": True}),
        an_event("payment_intent.succeeded", {name: value for name, value in PAID.items() if name != "amount_received"}),
        an_event("payment_intent.succeeded", PAID | {"amount_received": -1}),
        an_event("payment_intent.succeeded", PAID | {"id": "pi 1"}),
        an_event("payment_intent.succeeded", PAID | {"currency": "xyz"}),
        an_event("payment_intent.succeeded", PAID | {"currency": "isk", "amount_received": 5_001}),
        an_event("refund.updated", a_refund(metadata=OURS, currency="ugx", amount=1)),
        an_event("refund.updated", a_refund(metadata=OURS, amount=None)),
        an_event("charge.dispute.funds_withdrawn", a_dispute(amount="all")),
    ],
)
def test_what_cannot_be_read_goes_to_the_dead_letters(body: bytes) -> None:
    with pytest.raises(Permanent):
        stripe_events.read(body, live=False)
