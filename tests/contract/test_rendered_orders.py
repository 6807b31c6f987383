"""The printed form of kept answers about orders is frozen; and what is printed is what the document promises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from services.gateway.answers import orders as answers
from services.gateway.problems import CODES
from services.gateway.rendering import accepted, failed
from services.gateway.rendering import orders as rendering
from shared.contracts.orders import Interpretation, OrderCreated, OrderMarkedPaid, OrderView
from tests.contract.test_rendered_answers import NOON, PAYMENT, REFUSED, SESSION

ORDER = UUID("4f0a1c9e-6b1d-8c3e-9a51-6f6d2f0c1b7e")
CREATED = OrderCreated(
    order_id=ORDER,
    payment_id=PAYMENT,
    session_id=SESSION,
    payment_url="http://localhost:8000/payment/mock?session_id=1",
    amount_minor=99_000,
    currency="rsd",
    method="mock",
    expires_at=datetime(2026, 1, 31, 13, 0, 0, 123456, tzinfo=UTC),
)
MARKED = OrderMarkedPaid(order_id=ORDER, payment_id=PAYMENT, reference="777", amount_minor=5_001, currency="kwd")
VIEW = OrderView(
    order_id=ORDER,
    product="chakras",
    title="Čitanje",
    status="failed",
    payment_id=PAYMENT,
    session_id=None,
    payment_status="failed",
    payment_url=None,
    method="mock",
    amount_minor=99_000,
    currency="rsd",
    locale="sr",
    email="a***@b.rs",
    phone=None,
    problem=REFUSED,
    expires_at=None,
    created_at=NOON,
    updated_at=NOON,
)


def test_order_created_v1() -> None:
    printed = (
        b'{"order_id":"4f0a1c9e-6b1d-8c3e-9a51-6f6d2f0c1b7e","payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e",'
        b'"session_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","payment_url":"http://localhost:8000/payment/mock?session_id=1",'
        b'"status":"pending","amount":990.00,"amount_minor":99000,"currency":"rsd","method":"mock",'
        b'"expires_at":"2026-01-31T13:00:00.123456Z"}'
    )
    assert rendering.order_created(CREATED) == printed
    assert rendering.order_created(OrderCreated.model_validate_json(CREATED.model_dump_json())) == printed


def test_order_marked_paid_v1() -> None:
    assert rendering.order_marked_paid(MARKED) == (
        b'{"order_id":"4f0a1c9e-6b1d-8c3e-9a51-6f6d2f0c1b7e","payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","status":"paid",'
        b'"reference":"777","amount":5.001,"amount_minor":5001,"currency":"kwd"}'
    )


@pytest.mark.parametrize(
    ("code", "status", "title"),
    [
        ("order_not_found", 404, "No such order"),
        ("order_failed", 409, "The order was refused"),
        ("too_many_payments", 409, "The order has had too many payments"),
        ("reference_in_use", 409, "Another payment has this reference"),
    ],
)
def test_titles_and_statuses_of_refusals_that_are_kept(code: str, status: int, title: str) -> None:
    assert CODES[code] == (status, title)


def test_not_ready_is_the_orders_and_402() -> None:
    assert CODES["not_ready"][0] == CODES["order_not_paid"][0] == 402
    assert CODES["service_not_ready"][0] == 503


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (rendering.order_created(CREATED), answers.OrderCreatedAnswer),
        (rendering.order_marked_paid(MARKED), answers.OrderMarkedPaidAnswer),
        (rendering.order(VIEW), answers.OrderAnswer),
        (rendering.interpretation(Interpretation(order_id=ORDER, message="m")), answers.InterpretationAnswer),
        (accepted(order_id=str(ORDER)), answers.AcceptedOrder),
        (failed(str(ORDER), REFUSED, name="order_id"), answers.FailedOrder),
    ],
)
def test_what_is_printed_is_what_the_document_promises(body: bytes, model: type[BaseModel]) -> None:
    model.model_validate_json(body)
    printed: dict[str, Any] = orjson.loads(body)
    assert list(printed) == [name for name in model.model_fields if name in printed]
    assert {name for name, field in model.model_fields.items() if field.is_required()} <= set(printed)
