"""The printed forms of what has been are frozen: clients read them by name, and in this order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from services.gateway.answers.history import (
    STEPS,
    AuditAnswer,
    AuditItemAnswer,
    HistoryItemAnswer,
    TimelineAnswer,
    TimelineItemAnswer,
)
from services.gateway.rendering import history as rendering
from services.gateway.timeline import Viewer, in_order
from shared.contracts.audit import AuditedAction, AuditPage
from shared.contracts.history import ListedPayment, TimelineStep
from shared.contracts.queries import BookedTransfer, EntryView, NamedAccount

PAYMENT = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
OTHER = UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

LISTED = ListedPayment(
    payment_id=PAYMENT,
    session_id=OTHER,
    user_id="1",
    mentor_id="2",
    coaching_session_id="7",
    kind="payment",
    method="mock",
    status="partially_refunded",
    amount_minor=5_001,
    currency="kwd",
    credit_reference="mock:ch_1",
    description="Урок",
    created_at=NOON,
    updated_at=NOON,
)
REQUESTED = TimelineStep(
    at=NOON,
    step="payment.requested",
    service="payments",
    ids={"payment_id": str(PAYMENT), "request_id": "request-1"},
    detail={"kind": "deposit", "method": "mock", "amount_minor": 200_000, "currency": "rsd"},
)
CREDIT = BookedTransfer(
    transfer_id=OTHER,
    reference="mock:ch_1",
    kind="deposit",
    amount_minor=200_000,
    currency="rsd",
    source=NamedAccount(kind="clearing", owner="mock"),
    target=NamedAccount(kind="user", owner="1"),
    payment_id=PAYMENT,
    correlation_id="request-2",
    created_at=NOON + timedelta(seconds=1),
    entries=(
        EntryView(
            user_id="1",
            version=7,
            change_minor=200_000,
            held_change_minor=0,
            available_after_minor=250_000,
            held_after_minor=5,
            created_at=NOON + timedelta(seconds=1),
            message_id=PAYMENT,
            published_at=NOON + timedelta(seconds=2),
        ),
    ),
)
ACTION = AuditedAction(
    id=OTHER,
    at=NOON,
    actor="user:9",
    action="withdrawal.approve",
    resource="withdrawal:1",
    details={"sum": [1, None]},
    request_id="request-3",
)


def steps(user_id: str, *, is_admin: bool = False) -> list[TimelineStep]:
    return in_order([REQUESTED], [CREDIT], Viewer(user_id, is_admin))


def test_a_listed_payment() -> None:
    assert rendering.payments([LISTED]).decode() == (
        '[{"id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","student_id":"1","mentor_id":"2","session_id":"7","amount":5.001,"amount_minor":5001,'
        '"currency":"kwd","status":"partially_refunded","payment_method":"mock","transaction_id":"mock:ch_1","description":"Урок",'
        '"created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:00Z"}]'
    )
    of_a_top_up = LISTED.model_copy(update={"coaching_session_id": None})
    assert orjson.loads(rendering.payments([of_a_top_up]))[0]["session_id"] == str(OTHER)
    assert rendering.payments([]) == b"[]"


def test_a_timeline() -> None:
    body = rendering.timeline(str(PAYMENT), steps("1"), truncated=False).decode()
    assert body == (
        '{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","items":['
        '{"at":"2026-01-31T12:00:00Z","step":"payment.requested","service":"payments",'
        '"ids":{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","request_id":"request-1"},'
        '"detail":{"kind":"deposit","method":"mock","amount":2000.00,"amount_minor":200000,"currency":"rsd"}},'
        '{"at":"2026-01-31T12:00:01Z","step":"ledger.transfer","service":"wallet",'
        '"ids":{"transfer_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","reference":"mock:ch_1","request_id":"request-2"},'
        '"detail":{"kind":"deposit","amount":2000.00,"amount_minor":200000,"currency":"rsd","source":"clearing:mock","target":"user:1"}},'
        '{"at":"2026-01-31T12:00:01Z","step":"ledger.entry","service":"wallet",'
        '"ids":{"transfer_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","reference":"mock:ch_1","request_id":"request-2","user_id":"1",'
        '"message_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"},'
        '"detail":{"version":7,"change":2000.00,"change_minor":200000,"held_change":0.00,"held_change_minor":0,'
        '"available_after":2500.00,"available_after_minor":250000,"held_after":0.05,"held_after_minor":5,"currency":"rsd"}},'
        '{"at":"2026-01-31T12:00:02Z","step":"message.sent","service":"wallet",'
        '"ids":{"transfer_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","reference":"mock:ch_1","request_id":"request-2","user_id":"1",'
        '"message_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"},"detail":{"type":"balance.changed.v1","version":7}}'
        '],"truncated":false}'
    )


def test_what_somebody_has_is_shown_to_them_and_to_admins_only() -> None:
    transfer_only = ["payment.requested", "ledger.transfer"]
    assert [step.step for step in steps("2")] == transfer_only
    assert [step.step for step in steps("2", is_admin=True)] == [*transfer_only, "ledger.entry", "message.sent"]


def test_the_audit_log() -> None:
    assert rendering.audit(AuditPage(items=(ACTION,), next_cursor="YQ")).decode() == (
        '{"items":[{"id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","at":"2026-01-31T12:00:00Z","actor":"user:9","action":"withdrawal.approve",'
        '"resource":"withdrawal:1","details":{"sum":[1,null]},"request_id":"request-3"}],"next_cursor":"YQ"}'
    )


@pytest.mark.parametrize(
    ("printed", "model"),
    [
        (orjson.loads(rendering.payments([LISTED]))[0], HistoryItemAnswer),
        (orjson.loads(rendering.timeline(str(PAYMENT), steps("1"), truncated=True)), TimelineAnswer),
        (orjson.loads(rendering.timeline(str(PAYMENT), steps("1"), truncated=True))["items"][2], TimelineItemAnswer),
        (orjson.loads(rendering.audit(AuditPage(items=(ACTION,), next_cursor=None))), AuditAnswer),
        (orjson.loads(rendering.audit(AuditPage(items=(ACTION,), next_cursor=None)))["items"][0], AuditItemAnswer),
    ],
)
def test_what_is_printed_is_what_the_document_promises(printed: dict[str, Any], model: type[BaseModel]) -> None:
    model.model_validate(printed)
    assert list(printed) == list(model.model_fields)


def test_the_steps_that_are_told_are_those_that_the_document_names() -> None:
    assert {step.step for step in steps("1")} <= set(STEPS)
