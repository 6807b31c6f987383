"""The printed form of a refund is frozen: a replay after an upgrade must equal the first answer byte for byte. Add, never change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from services.gateway import rendering as shared_rendering
from services.gateway.answers import refunds as answers
from services.gateway.problems import CODES
from services.gateway.rendering import refunds as rendering
from shared.contracts.payment_commands import Refused
from shared.contracts.refunds import RefundItem, RefundMade, RefundPage, RefundView

PAYMENT = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
REFUND = UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
REFUSED = Refused(code="insufficient_funds", detail="The balance does not cover the amount; nothing was moved.", request_id="request-1")
MADE = RefundMade(
    payment_id=PAYMENT,
    refund_id=REFUND,
    refund_status="succeeded",
    status="partially_refunded",
    refunded_amount_minor=3_002,
    amount_minor=2_001,
    currency="kwd",
    reason="Отменено",
    external_id="refund-1",
    metadata={"ticket": "42"},
    created_at=NOON,
)
ITEM = RefundItem(
    refund_id=REFUND,
    refund_status="failed",
    amount_minor=5_000,
    currency="jpy",
    origin="request",
    reason="",
    failure_reason="insufficient_funds",
    external_id=None,
    metadata={},
    created_at=NOON,
    updated_at=NOON,
    settled_at=None,
)
VIEW = RefundView(payment_id=PAYMENT, status="completed", refunded_amount_minor=0, refund=ITEM, problem=REFUSED)


def test_refund_made_v1() -> None:
    assert rendering.refund_made(MADE).decode() == (
        '{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","refund_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4",'
        '"refund_status":"succeeded","status":"partially_refunded","refunded_amount":3.002,"refunded_amount_minor":3002,"amount":2.001,'
        '"amount_minor":2001,"currency":"kwd","reason":"Отменено","failure_reason":null,"external_id":"refund-1",'
        '"metadata":{"ticket":"42"},"created_at":"2026-01-31T12:00:00Z"}'
    )


def test_one_that_went_through_the_keeper_prints_the_same() -> None:
    assert rendering.refund_made(RefundMade.model_validate_json(MADE.model_dump_json())) == rendering.refund_made(MADE)


@pytest.mark.parametrize(
    ("code", "status", "title"),
    [
        ("payment_not_refundable", 400, "The payment is not paid"),
        ("payment_disputed", 400, "The payment is disputed"),
        ("refund_not_found", 404, "No such refund"),
        ("already_refunded", 409, "All of it is back, or on its way back"),
        ("refund_exceeds_payment", 409, "More than can still go back"),
        ("refund_reference_reused", 409, "This refund is recorded already"),
        ("refund_not_supported", 422, "The provider cannot send money back"),
    ],
)
def test_titles_and_statuses_of_refusals_that_are_kept(code: str, status: int, title: str) -> None:
    assert CODES[code] == (status, title)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (rendering.refund_made(MADE), answers.RefundMadeAnswer),
        (rendering.refund(VIEW), answers.RefundAnswer),
        (rendering.refund(VIEW.model_copy(update={"problem": None})), answers.RefundAnswer),
        (rendering.refunds(RefundPage(payment_id=PAYMENT, items=(ITEM, ITEM), next_cursor="cg")), answers.RefundsAnswer),
        (rendering.refunds(RefundPage(payment_id=PAYMENT, items=(ITEM,), next_cursor=None)), answers.RefundsAnswer),
        (shared_rendering.accepted(payment_id=str(PAYMENT), refund_id=str(REFUND)), answers.AcceptedRefund),
        (shared_rendering.accepted(refund_id=str(REFUND)), answers.AcceptedRefund),
        (shared_rendering.failed(str(REFUND), REFUSED, name="refund_id"), answers.FailedRefund),
    ],
)
def test_what_is_printed_is_what_the_document_promises(body: bytes, model: type[BaseModel]) -> None:
    """The documented models refuse what they do not know, and their fields come in the same order."""
    model.model_validate_json(body)
    printed: dict[str, Any] = orjson.loads(body)
    assert list(printed) == [name for name in model.model_fields if name in printed]
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert required <= set(printed)
