"""The printed forms of suspense items, transfers and the mock's events are frozen: add, never change."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import BaseModel

from services.gateway.answers import suspense as answers
from services.gateway.problems import CODES
from services.gateway.rendering import suspense as rendering
from shared.contracts.mock_controls import MockEventScheduled
from shared.contracts.payment_commands import Refused
from shared.contracts.suspense import SuspenseItemView, SuspensePage
from shared.contracts.transfers import UserTransferView

ID = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
OTHER = UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ITEM = SuspenseItemView(
    item_id=ID,
    provider="mock",
    reference="ch_1",
    session_id=OTHER,
    payment_id=None,
    amount_minor=5_001,
    currency="kwd",
    reason="unknown_reference",
    status="assigned",
    assigned_user_id="1",
    decided_by="user:9",
    decided_at=NOON,
    created_at=NOON,
)
TRANSFER = UserTransferView(
    transfer_id=ID,
    status="completed",
    from_user_id="1",
    to_user_id="3",
    amount_minor=5_001,
    currency="jpy",
    reason="a gift",
    external_id="gift-1",
    metadata={"month": "june"},
    created_at=NOON,
    updated_at=NOON,
)
FAILED = TRANSFER.model_copy(
    update={"status": "failed", "problem": Refused(code="insufficient_funds", detail="Not enough.", request_id="request-1")}
)
EVENT = MockEventScheduled(payment_id=ID, session_id=OTHER, event_id="evt_1", times=3, due_at=NOON)
CASES = [
    (answers.SuspenseItemAnswer, rendering.suspense_item(ITEM)),
    (answers.SuspenseItemsAnswer, rendering.suspense_items(SuspensePage(items=(ITEM, ITEM), next_cursor="c"))),
    (answers.TransferAnswer, rendering.transfer(TRANSFER)),
    (answers.TransferAnswer, rendering.transfer(FAILED)),
    (answers.MockEventAnswer, rendering.mock_event(EVENT)),
]


def test_suspense_item_view_v1() -> None:
    assert rendering.suspense_item(ITEM) == (
        b'{"id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","provider":"mock","reference":"ch_1","payment_id":null,"amount":5.001,'
        b'"amount_minor":5001,"currency":"kwd","reason":"unknown_reference","status":"assigned","created_at":"2026-01-31T12:00:00Z",'
        b'"session_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","assigned_user_id":"1","assigned_payment_id":null,"decided_by":"user:9",'
        b'"decided_at":"2026-01-31T12:00:00Z","decision_reference":null,"decision_reason":null}'
    )


def test_user_transfer_view_v1() -> None:
    assert rendering.transfer(TRANSFER) == (
        b'{"transfer_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","status":"completed","amount":5001,"amount_minor":5001,"currency":"jpy",'
        b'"from_user_id":"1","to_user_id":"3","reason":"a gift","external_id":"gift-1","metadata":{"month":"june"},'
        b'"created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:00Z"}'
    )


def test_mock_event_scheduled_v1() -> None:
    assert rendering.mock_event(EVENT) == (
        b'{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","session_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","event_id":"evt_1",'
        b'"times":3,"due_at":"2026-01-31T12:00:00Z"}'
    )


@pytest.mark.parametrize(("shape", "printed"), CASES)
def test_what_is_printed_is_what_the_document_promises(shape: type[BaseModel], printed: bytes) -> None:
    shape.model_validate_json(printed)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("payment_not_disputable", 400),
        ("suspense_item_not_found", 404),
        ("transfer_not_found", 404),
        ("suspense_item_decided", 409),
        ("payment_not_assignable", 409),
        ("refund_declined", 409),
        ("same_user", 422),
        ("refund_not_supported", 422),
    ],
)
def test_codes_keep_their_status(code: str, status: int) -> None:
    assert CODES[code][0] == status
