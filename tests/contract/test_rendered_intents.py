"""The printed form of kept answers about session payments is frozen, and what is printed is what the document promises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from services.gateway import rendering as common
from services.gateway.answers import intents as answers
from services.gateway.problems import CODES
from services.gateway.rendering import intents as rendering
from shared.contracts.intents import IntentCreated, PaymentCanceled, PaymentConfirmed
from shared.contracts.payment_commands import Refused
from shared.contracts.sessions import SessionView

PAYMENT = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
INTENT = IntentCreated(
    payment_id=PAYMENT,
    status="pending",
    amount_minor=5_000,
    currency="usd",
    method="mock",
    session_id="1",
    mentor_id="2",
    client_secret="pi_K3OZPGJQ4SVB2QM7XT3NLWE5_secret_JR5YD6HF2UA4PQ7GI3KTNWOXZ2MVBCLD",
    payment_url="http://localhost:8000/payment/mock?session_id=0199d3a2&amount=50.00&currency=usd",
    expires_at=NOON,
)
FROM_BALANCE = INTENT.model_copy(
    update={"status": "completed", "method": "balance", "client_secret": None, "payment_url": None, "expires_at": None}
)
CONFIRMED = PaymentConfirmed(payment_id=PAYMENT, status="completed", amount_minor=5_000, currency="jpy", method="mock")
CANCELED = PaymentCanceled(payment_id=PAYMENT, amount_minor=5_000, currency="kwd", method="mock")
SESSION = SessionView(session_id="1", mentor_id="2", price_minor=5_000, currency="usd", title="Час", created_at=NOON, updated_at=NOON)
REFUSED = Refused(code="not_received", detail="never", request_id="r")


def test_intent_created_v1() -> None:
    assert rendering.intent_created(INTENT) == (
        b'{"client_secret":"pi_K3OZPGJQ4SVB2QM7XT3NLWE5_secret_JR5YD6HF2UA4PQ7GI3KTNWOXZ2MVBCLD",'
        b'"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","amount":50.00,"amount_minor":5000,"currency":"usd","status":"pending",'
        b'"payment_method":"mock","session_id":"1","mentor_id":"2",'
        b'"payment_url":"http://localhost:8000/payment/mock?session_id=0199d3a2&amount=50.00&currency=usd",'
        b'"expires_at":"2026-01-31T12:00:00Z"}'
    )


def test_intent_created_v1_from_the_balance() -> None:
    assert rendering.intent_created(FROM_BALANCE) == (
        b'{"client_secret":null,"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","amount":50.00,"amount_minor":5000,"currency":"usd",'
        b'"status":"completed","payment_method":"balance","session_id":"1","mentor_id":"2","payment_url":null,"expires_at":null}'
    )


def test_payment_confirmed_v1() -> None:
    assert rendering.payment_confirmed(CONFIRMED, "completed") == (
        b'{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","status":"completed","amount":5000,"amount_minor":5000,"currency":"jpy",'
        b'"payment_method":"mock"}'
    )


def test_payment_canceled_v1() -> None:
    assert rendering.payment_canceled(CANCELED) == (
        b'{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","status":"canceled","amount":5.000,"amount_minor":5000,"currency":"kwd",'
        b'"payment_method":"mock"}'
    )


@pytest.mark.parametrize("kept", [INTENT, FROM_BALANCE])
def test_an_intent_that_went_through_the_keeper_prints_the_same(kept: IntentCreated) -> None:
    assert rendering.intent_created(IntentCreated.model_validate_json(kept.model_dump_json())) == rendering.intent_created(kept)


@pytest.mark.parametrize(
    ("code", "status", "title"),
    [
        ("forbidden", 403, "You may not do this"),
        ("mentor_not_found", 404, "No such mentor"),
        ("already_paid", 409, "It has been paid"),
        ("insufficient_funds", 409, "The balance does not cover it"),
        ("external_id_reused", 409, "The external_id is in use"),
        ("payment_not_cancelable", 409, "This payment cannot be canceled"),
        ("session_mentor_fixed", 409, "The mentor of a session never changes"),
        ("payment_processing", 409, "It is being paid"),
        ("own_session", 422, "Nobody pays for a session of their own"),
        ("operation_not_supported", 422, "The provider has no such operation"),
        ("refund_not_supported", 422, "The provider cannot send money back"),
        ("payment_rejected", 422, "The provider does not take this payment"),
        ("currency_not_available", 422, "The payment method does not take this currency"),
        ("amount_not_available", 422, "The payment method does not take this amount"),
        ("destination_not_available", 422, "Nothing can be paid out there"),
        ("provider_unavailable", 503, "The payment provider does not serve now"),
        ("provider_not_configured", 503, "No payment provider is configured"),
    ],
)
def test_titles_and_statuses_of_refusals(code: str, status: int, title: str) -> None:
    assert CODES[code] == (status, title)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (rendering.intent_created(INTENT), answers.IntentAnswer),
        (rendering.intent_created(FROM_BALANCE), answers.IntentAnswer),
        (rendering.payment_confirmed(CONFIRMED, "pending"), answers.ConfirmationAnswer),
        (rendering.payment_canceled(CANCELED), answers.CancellationAnswer),
        (rendering.session(SESSION), answers.CoachingSessionAnswer),
        (common.accepted(session_id="1"), answers.AcceptedSession),
        (common.failed("1", REFUSED, name="session_id"), answers.FailedSession),
    ],
)
def test_what_is_printed_is_what_the_document_promises(body: bytes, model: type[BaseModel]) -> None:
    model.model_validate_json(body)
    printed: dict[str, Any] = orjson.loads(body)
    assert list(printed) == [name for name in model.model_fields if name in printed]
    assert {name for name, field in model.model_fields.items() if field.is_required()} <= set(printed)
