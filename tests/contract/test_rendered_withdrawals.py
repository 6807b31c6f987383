"""The printed form of a withdrawal is frozen: a replay after an upgrade must equal the first answer byte for byte. Add, never change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from services.gateway import rendering as shared_rendering
from services.gateway.answers import withdrawals as answers
from services.gateway.problems import CODES
from services.gateway.rendering import withdrawals as rendering
from shared.contracts.payment_commands import Refused
from shared.contracts.withdrawals import DecidedBy, ShownDestination, WithdrawalPage, WithdrawalView

ID = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
REFUSED = Refused(code="insufficient_funds", detail="The balance does not cover the amount; nothing was moved.", request_id="request-1")
VIEW = WithdrawalView(
    withdrawal_id=ID,
    user_id="1",
    status="paid",
    amount_minor=5_001,
    currency="kwd",
    method="mock",
    destination=ShownDestination(type="bank_account", account="****8995", name="J***"),
    reference="po_1",
    external_id="rent-1",
    metadata={"month": "june"},
    created_at=NOON,
    updated_at=NOON,
)
OF_ADMIN = VIEW.model_copy(update={"for_admin": True, "decided": DecidedBy(decision="approve", by="user:9", at=NOON)})
REFUSED_VIEW = VIEW.model_copy(update={"status": "failed", "problem": REFUSED})


def test_withdrawal_view_v1() -> None:
    assert rendering.withdrawal(VIEW) == (
        b'{"withdrawal_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","status":"paid","amount":5.001,"amount_minor":5001,"currency":"kwd",'
        b'"user_id":"1","method":"mock","destination":{"type":"bank_account","account":"****8995","name":"J***"},"reference":"po_1",'
        b'"reason":null,"external_id":"rent-1","metadata":{"month":"june"},"created_at":"2026-01-31T12:00:00Z",'
        b'"updated_at":"2026-01-31T12:00:00Z"}'
    )


def test_an_admin_sees_who_decided_and_when() -> None:
    assert rendering.withdrawal(OF_ADMIN) == rendering.withdrawal(VIEW)[:-1] + (
        b',"decision":"approve","decided_by":"user:9","decided_at":"2026-01-31T12:00:00Z","decision_reason":null}'
    )
    undecided = orjson.loads(rendering.withdrawal(VIEW.model_copy(update={"for_admin": True})))
    assert [undecided[name] for name in ("decision", "decided_by", "decided_at", "decision_reason")] == [None] * 4


def test_one_that_went_through_the_keeper_prints_the_same() -> None:
    for view in (VIEW, OF_ADMIN, REFUSED_VIEW):
        assert rendering.withdrawal(WithdrawalView.model_validate_json(view.model_dump_json())) == rendering.withdrawal(view)


@pytest.mark.parametrize(
    ("code", "status", "title"),
    [
        ("forbidden", 403, "You may not do this"),
        ("withdrawal_not_found", 404, "No such withdrawal"),
        ("withdrawal_not_pending", 409, "The withdrawal is not pending any more"),
        ("withdrawal_final", 409, "The withdrawal was decided otherwise"),
        ("withdrawal_not_sent", 409, "Nothing of the withdrawal was sent"),
        ("withdrawal_not_paid", 409, "The withdrawal was not paid"),
        ("payout_not_manual", 409, "The payout is not made by hand"),
        ("payout_not_overdue", 409, "The payout has not been unknown for a day"),
        ("payouts_not_available", 422, "There are no payouts here"),
    ],
)
def test_titles_and_statuses_of_refusals_that_are_kept(code: str, status: int, title: str) -> None:
    assert CODES[code] == (status, title)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (rendering.withdrawal(VIEW), answers.WithdrawalAnswer),
        (rendering.withdrawal(OF_ADMIN), answers.WithdrawalAnswer),
        (rendering.withdrawal(REFUSED_VIEW), answers.WithdrawalAnswer),
        (rendering.withdrawals(WithdrawalPage(items=(VIEW, OF_ADMIN), next_cursor=None)), answers.WithdrawalsAnswer),
        (shared_rendering.accepted(withdrawal_id=str(ID)), answers.AcceptedWithdrawal),
        (shared_rendering.failed(str(ID), REFUSED, name="withdrawal_id"), answers.FailedWithdrawal),
    ],
)
def test_what_is_printed_is_what_the_document_promises(body: bytes, model: type[BaseModel]) -> None:
    """The documented models refuse what they do not know, and their fields come in the same order."""
    model.model_validate_json(body)
    printed: dict[str, Any] = orjson.loads(body)
    assert list(printed) == [name for name in model.model_fields if name in printed]
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert required <= set(printed)
