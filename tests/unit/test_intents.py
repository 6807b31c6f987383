"""What fits a session's payment, how its money is divided, and when "not enough" is the end of a payment from the balance."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain import intents
from services.payments.domain.fees import FEE_BPS_MAX, platform_fee
from services.payments.domain.intents import NoProvider
from services.payments.domain.payments import Payment, Status
from services.payments.domain.sessions import CoachingSession
from shared.money import MAX_AMOUNT_MINOR, Money

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SESSION = CoachingSession("1", "2", Money(5_000, "usd"), "A first conversation")


def payment(**changes: Any) -> Payment:
    fields: dict[str, Any] = {
        "payment_id": UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"),
        "session_id": UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4"),
        "user_id": "1",
        "kind": "payment",
        "provider": "mock",
        "money": Money(5_000, "usd"),
        "status": Status.PENDING,
        "locale": "en",
        "correlation_id": "request-1",
        "created_at": NOON,
        "updated_at": NOON,
        "mentor_id": "2",
        "coaching_session_id": "1",
        "fee_minor": 500,
    }
    return Payment(**(fields | changes))


def why_not(session: CoachingSession | None = SESSION, **changes: Any) -> str | None:
    asked: dict[str, Any] = {"payer_id": "1", "mentor_id": "2", "money": Money(5_000, "usd"), "request_id": "r"}
    refusal = intents.does_not_fit(session, **(asked | changes))
    return None if refusal is None else refusal.code


def test_the_sessions_price_paid_to_its_mentor_fits() -> None:
    assert why_not() is None


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("session_not_found", {"session": None}),
        ("mentor_not_found", {"mentor_id": "4"}),
        ("own_session", {"payer_id": "2"}),
        ("amount_mismatch", {"money": Money(4_999, "usd")}),
        ("amount_mismatch", {"money": Money(5_001, "usd")}),
        ("amount_mismatch", {"money": Money(5_000, "eur")}),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(code: str, asked: dict[str, Any]) -> None:
    assert why_not(**asked) == code


# ---- the fee: the product's one rounding


@given(amount=st.integers(1, MAX_AMOUNT_MINOR), bps=st.integers(0, FEE_BPS_MAX))
def test_a_fee_is_the_exact_part_rounded_down_and_leaves_something(amount: int, bps: int) -> None:
    fee = platform_fee(amount, bps)

    assert 0 <= fee < amount
    assert fee * 10_000 <= amount * bps < (fee + 1) * 10_000


@pytest.mark.parametrize(
    ("amount", "bps", "fee"),
    [
        (1, 0, 0),
        (1, 9_999, 0),
        (2, 9_999, 1),
        (10_000, 9_999, 9_999),
        (9_999, 1, 0),
        (10_000, 1, 1),
        (19_999, 1, 1),
        (5_000, 1_000, 500),
        (MAX_AMOUNT_MINOR, 9_999, 999_900_000_000_000),
    ],
)
def test_the_fee_at_its_edges(amount: int, bps: int, fee: int) -> None:
    assert platform_fee(amount, bps) == fee


@given(amount=st.integers(1, MAX_AMOUNT_MINOR), bps=st.integers(0, FEE_BPS_MAX))
def test_paying_from_the_balance_gives_away_exactly_what_it_takes(amount: int, bps: int) -> None:
    move = intents.movement(payment(provider="balance", money=Money(amount, "usd"), fee_minor=platform_fee(amount, bps)))

    taken, *given_away = move.legs
    assert (taken.source.kind, taken.source.owner, taken.amount_minor) == ("user", "1", amount)
    assert taken.target.kind == "clearing"
    assert all(leg.source == taken.target for leg in given_away)
    assert sum(leg.amount_minor for leg in given_away) == amount
    assert [leg.target.owner for leg in given_away] == (["2", "platform"] if platform_fee(amount, bps) else ["2"])
    assert move.reference == "balance:0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"


# ---- who plays which method


@pytest.mark.parametrize(
    ("asked", "enabled", "production", "provider"),
    [
        (None, ("mock",), False, "mock"),
        (None, ("mock", "stripe"), False, "stripe"),
        (None, ("allsecure", "stripe"), True, "stripe"),
        ("stripe", ("mock",), False, "mock"),
        ("stripe", ("allsecure",), True, None),
        ("allsecure", ("allsecure",), True, "allsecure"),
        ("cash", ("mock",), False, None),
        ("balance", (), True, "balance"),
    ],
)
def test_who_takes_the_payment(asked: str | None, enabled: tuple[str, ...], production: bool, provider: str | None) -> None:
    assert intents.provider_for(asked, enabled, production=production) == provider


@pytest.mark.parametrize("enabled", [(), ("allsecure",)])
def test_without_stripe_or_the_mock_nobody_takes_it_unasked(enabled: tuple[str, ...]) -> None:
    with pytest.raises(NoProvider):
        intents.provider_for(None, enabled, production=True)


def test_a_client_secret_has_stripes_form_and_is_the_keys_own() -> None:
    payment_id = payment().payment_id
    secret = intents.client_secret(payment_id, b"k" * 32)

    assert re.fullmatch(r"pi_[A-Za-z0-9]{24,}_secret_[A-Za-z0-9]{24,}", secret)
    assert secret == intents.client_secret(payment_id, b"k" * 32)
    assert secret != intents.client_secret(payment_id, b"l" * 32)
    assert secret != intents.client_secret(UUID(int=1), b"k" * 32)
    assert payment_id.hex[:8] not in secret.lower()


# ---- confirming and canceling


@pytest.mark.parametrize(
    ("seen", "user_id", "is_admin", "code"),
    [
        (payment(), "1", False, None),
        (payment(), "9", True, None),
        (payment(), "2", False, "forbidden"),
        (payment(user_id=None), "1", False, "forbidden"),
        (None, "3", False, "payment_not_found"),
    ],
)
def test_only_the_payer_and_admins_act_on_a_payment(seen: Payment | None, user_id: str, is_admin: bool, code: str | None) -> None:
    refused = intents.may_not_act(seen, user_id=user_id, is_admin=is_admin, request_id="r")
    assert (refused and refused.code) == code


@pytest.mark.parametrize("status", ["completed", "refunded", "partially_refunded", "disputed", "pending"])
def test_what_is_paid_or_may_be_can_be_confirmed(status: str) -> None:
    assert intents.cannot_be_confirmed(status, "r") is None


@pytest.mark.parametrize("status", ["failed", "expired", "canceled"])
def test_what_has_ended_cannot_be_confirmed(status: str) -> None:
    refused = intents.cannot_be_confirmed(status, "r")
    assert refused is not None
    assert refused.code == "session_final"


@pytest.mark.parametrize(
    ("provider", "status", "code"),
    [
        ("mock", "pending", None),
        ("mock", "canceled", None),
        ("mock", "completed", "already_paid"),
        ("mock", "refunded", "already_paid"),
        ("mock", "failed", "session_final"),
        ("mock", "expired", "session_final"),
        ("balance", "pending", "payment_not_cancelable"),
        ("balance", "completed", "already_paid"),
        ("balance", "failed", "payment_not_cancelable"),
    ],
)
def test_what_can_be_canceled(provider: str, status: str, code: str | None) -> None:
    refused = intents.cannot_be_canceled(replace(payment(), provider=provider), status, "r")
    assert (refused and refused.code) == code
