"""The printed form of kept answers is frozen: a replay after an upgrade must equal the first answer byte for byte. Add, never change."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel

from services.gateway import answers, rendering
from services.gateway.problems import CODES, RefusedByDecision, refused_response
from shared.contracts.payment_commands import DepositCreated, FieldProblem, Refused
from shared.contracts.queries import BalanceView, PaymentView, TransactionPage, TransactionView

PAYMENT = UUID("0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e")
SESSION = UUID("0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
REFUSED = Refused(
    code="method_not_available",
    detail="This method is not available; available: mock.",
    errors=(FieldProblem(loc=("body", "method"), msg="must be one of: mock"),),
    request_id="0199d3a2-0000-7000-8000-000000000001",
)
DEPOSIT = DepositCreated(
    payment_id=PAYMENT,
    session_id=SESSION,
    payment_url="http://localhost:8000/payment/mock?session_id=0199d3a2&amount=2000.00&currency=rsd",
    amount_minor=200_000,
    currency="rsd",
    method="mock",
    expires_at=datetime(2026, 1, 31, 13, 0, 0, 123456, tzinfo=UTC),
)
WITH_SECRET = DEPOSIT.model_copy(
    update={"method": "stripe", "payment_url": "http://localhost:8000/en/pay/0199d3a2", "client_secret": "pi_1_secret_2"}
)
VIEW = PaymentView(
    payment_id=PAYMENT,
    session_id=SESSION,
    user_id="1",
    kind="deposit",
    method="mock",
    status="completed",
    amount_minor=5_001,
    currency="kwd",
    credit_reference="mock:ch_1",
    payment_url=None,
    problem=REFUSED,
    expires_at=None,
    created_at=NOON,
    updated_at=NOON,
)
BALANCE = BalanceView(user_id="1", currency="jpy", available_minor=5_000, held_minor=0, version=3, updated_at=NOON)
TRANSACTION = TransactionView(
    id=PAYMENT,
    kind="deposit",
    amount_minor=-150,
    currency="rsd",
    balance_after_minor=0,
    version=7,
    payment_id=None,
    description="Доплата",
    created_at=NOON,
)


def test_deposit_created_v1() -> None:
    assert rendering.deposit_created(DEPOSIT) == (
        b'{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","session_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4",'
        b'"payment_url":"http://localhost:8000/payment/mock?session_id=0199d3a2&amount=2000.00&currency=rsd","status":"pending",'
        b'"amount":2000.00,"amount_minor":200000,"currency":"rsd","method":"mock","expires_at":"2026-01-31T13:00:00.123456Z"}'
    )


def test_deposit_created_v1_with_a_secret_for_the_payers_page() -> None:
    assert rendering.deposit_created(WITH_SECRET) == (
        b'{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","session_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4",'
        b'"payment_url":"http://localhost:8000/en/pay/0199d3a2","client_secret":"pi_1_secret_2","status":"pending",'
        b'"amount":2000.00,"amount_minor":200000,"currency":"rsd","method":"stripe","expires_at":"2026-01-31T13:00:00.123456Z"}'
    )


@pytest.mark.parametrize("deposit", [DEPOSIT, WITH_SECRET])
def test_a_deposit_that_went_through_the_keeper_prints_the_same(deposit: DepositCreated) -> None:
    kept = DepositCreated.model_validate_json(deposit.model_dump_json())
    assert rendering.deposit_created(kept) == rendering.deposit_created(deposit)


def test_mock_completed() -> None:
    assert rendering.mock_completed(PAYMENT, SESSION, "completed") == (
        b'{"payment_id":"0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e","session_id":"0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4","status":"completed"}'
    )


def test_refused_v1() -> None:
    response = refused_response(RefusedByDecision(REFUSED, replayed=True))
    assert response.status_code == 422
    assert response.body == (
        b'{"type":"urn:purser:problem:method_not_available","title":"The payment method is not available","status":422,'
        b'"detail":"This method is not available; available: mock.","code":"method_not_available",'
        b'"errors":[{"loc":["body","method"],"msg":"must be one of: mock"}],"request_id":"0199d3a2-0000-7000-8000-000000000001"}'
    )


@pytest.mark.parametrize(
    ("code", "status", "title"),
    [
        ("amount_mismatch", 400, "The amount is not the session's"),
        ("session_not_found", 404, "No such payment session"),
        ("session_final", 409, "The session was decided otherwise, or has expired"),
        ("invalid_amount", 422, "The amount is malformed"),
        ("method_not_available", 422, "The payment method is not available"),
        ("deadline_passed", 503, "The request came too late to be worked on; nothing was done"),
    ],
)
def test_titles_and_statuses_of_refusals_that_are_kept(code: str, status: int, title: str) -> None:
    assert CODES[code] == (status, title)


@pytest.mark.parametrize(
    ("body", "model"),
    [
        (rendering.deposit_created(DEPOSIT), answers.DepositAnswer),
        (rendering.deposit_created(WITH_SECRET), answers.DepositAnswer),
        (rendering.mock_completed(PAYMENT, SESSION, "failed"), answers.CompletionAnswer),
        (rendering.accepted(payment_id=str(PAYMENT)), answers.AcceptedDeposit),
        (rendering.accepted(session_id=str(SESSION)), answers.AcceptedCompletion),
        (rendering.accepted(payment_id=str(PAYMENT), session_id=str(SESSION)), answers.AcceptedCompletion),
        (rendering.failed(str(PAYMENT), REFUSED), answers.FailedPayment),
        (rendering.payment(VIEW, "pending"), answers.PaymentAnswer),
        (rendering.balance(BALANCE), answers.BalanceAnswer),
        (rendering.balances([BALANCE]), answers.BalancesAnswer),
        (rendering.transactions(TransactionPage(items=(TRANSACTION,), next_cursor=None)), answers.TransactionsAnswer),
        (refused_response(RefusedByDecision(REFUSED)).body, answers.ProblemAnswer),
    ],
)
def test_what_is_printed_is_what_the_document_promises(body: bytes, model: type[BaseModel]) -> None:
    """The documented models refuse what they do not know, and their fields come in the same order."""
    model.model_validate_json(body)
    printed: dict[str, Any] = orjson.loads(body)
    assert list(printed) == [name for name in model.model_fields if name in printed]
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert required <= set(printed)


def test_money_is_printed_with_all_of_its_currencys_decimals() -> None:
    members = json.loads(rendering.payment(VIEW, "completed"), parse_float=Decimal)
    assert str(members["amount"]) == "5.001"
    assert b'"available":5000,' in rendering.balance(BALANCE)
    assert b'"amount":-1.50,' in rendering.transactions(TransactionPage(items=(TRANSACTION,), next_cursor=None))
