"""The mock's controls, for integrators' own tests: what the stand-in provider is made to say. Only where it is on, for admins."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers import AcceptedCompletion, AcceptedDeposit
from services.gateway.answers.suspense import MockEventAnswer
from services.gateway.auth import Caller
from services.gateway.bodies import read_json
from services.gateway.commands import issue
from services.gateway.documentation import operation
from services.gateway.exact_json import Number
from services.gateway.fields import CurrencyCode, DecimalText, OpaqueId, RequestBody
from services.gateway.idempotency import caller_of
from services.gateway.parts import GatewayParts, Parts, SignedIn
from services.gateway.problems import Problem
from services.gateway.rendering import suspense as rendering
from shared.contracts.mock_controls import MAX_DELAY_SECONDS, MAX_DUPLICATES, MockEventScheduled, TellMockDispute, TellMockPayment
from shared.contracts.payment_commands import CommandReply

router = APIRouter(prefix="/api/v1/mock", tags=["mock"])

_REPLY: Final[TypeAdapter[CommandReply[MockEventScheduled]]] = TypeAdapter(CommandReply[MockEventScheduled])
_OURS: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_EXAMPLE: Final = "0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4"


def _whole(value: Any) -> Any:
    whole = value.whole if isinstance(value, Number) else None
    return value if whole is None else int(whole)


def _up_to(most: int, description: str) -> Any:
    return WithJsonSchema({"type": "integer", "minimum": 0, "maximum": most, "description": description, "examples": [0]})


class MockPaymentRequest(RequestBody):
    outcome: Annotated[Literal["success", "failure"], Field(examples=["success"])]
    delay_seconds: Annotated[
        int, BeforeValidator(_whole), Field(strict=True, ge=0, le=MAX_DELAY_SECONDS), _up_to(MAX_DELAY_SECONDS, "Told so much later.")
    ] = 0
    duplicate: Annotated[
        int,
        BeforeValidator(_whole),
        Field(strict=True, ge=0, le=MAX_DUPLICATES),
        _up_to(MAX_DUPLICATES, "How often the event is repeated."),
    ] = 0
    amount: Annotated[DecimalText | None, Field(description="Major units; left out: the session's own.")] = None
    currency: Annotated[CurrencyCode | None, Field(description="Left out: the session's own.")] = None


class MockDisputeRequest(RequestBody):
    payment_id: Annotated[OpaqueId, Field(examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])]
    event: Annotated[Literal["opened", "won", "lost"], Field(examples=["opened"])]


@router.post(
    "/payments/{session_id}",
    **operation(
        "Let the mock tell how a session has ended",
        body=MockPaymentRequest,
        answers={
            200: (MockEventAnswer, "What will be told."),
            202: (AcceptedCompletion, "Safe, but slow: poll the Location."),
        },
        problems=("forbidden", "not_found", "session_not_found", "invalid_amount", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description="For admins, and only where the mock provider is on; else 404. Each call is another event, whatever was told before: a "
        "contrary one, one of another sum; each success is another charge. `duplicate`: the same event so many times more.",
    ),
)
async def tell_payment(
    request: Request,
    caller: SignedIn,
    parts: GatewayParts,
    session_id: Annotated[str, Path(description="The payment's session; or its payment_id.", examples=[_EXAMPLE])],
) -> Response:
    _require_allowed(caller, parts)
    body = await read_json(request, MockPaymentRequest, parts.settings.body_limit_bytes)
    if not _OURS.fullmatch(session_id):
        raise Problem("session_not_found", "There is no such session.")
    operation_name = "POST /api/v1/mock/payments/{session_id}"
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=operation_name, fingerprint=body.fingerprint)
    command = TellMockPayment(
        **issued.envelope,
        session_id=session_id,
        actor_user_id=caller.user_id,
        outcome=body.value.outcome,
        delay_seconds=body.value.delay_seconds,
        duplicate=body.value.duplicate,
        amount=body.value.amount,
        currency=body.value.currency,
    )
    answer = await issued.ask(command, _REPLY)
    if answer is None:
        return issued.accepted(f"/api/v1/payments/{session_id}", session_id, session_id=session_id)
    scheduled, replayed = answer
    return issued.done(rendering.mock_event(scheduled), replayed=replayed)


@router.post(
    "/disputes",
    **operation(
        "Let the mock tell of a dispute",
        body=MockDisputeRequest,
        answers={
            200: (MockEventAnswer, "What will be told."),
            202: (AcceptedDeposit, "Safe, but slow: poll the Location."),
        },
        problems=("forbidden", "not_found", "payment_not_found", "payment_not_disputable", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description="For admins, and only where the mock provider is on; else 404. A payment has one dispute: it is opened, then won or "
        "lost, in whatever order it is told.",
    ),
)
async def tell_dispute(request: Request, caller: SignedIn, parts: GatewayParts) -> Response:
    _require_allowed(caller, parts)
    body = await read_json(request, MockDisputeRequest, parts.settings.body_limit_bytes)
    payment_id = body.value.payment_id
    if not _OURS.fullmatch(payment_id):
        raise Problem("payment_not_found", "There is no such payment.")
    operation_name = "POST /api/v1/mock/disputes"
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=operation_name, fingerprint=body.fingerprint)
    command = TellMockDispute(**issued.envelope, payment_id=payment_id, actor_user_id=caller.user_id, event=body.value.event)
    answer = await issued.ask(command, _REPLY)
    if answer is None:
        return issued.accepted(f"/api/v1/payments/{payment_id}", payment_id, payment_id=payment_id)
    scheduled, replayed = answer
    return issued.done(rendering.mock_event(scheduled), replayed=replayed)


def _require_allowed(caller: Caller, parts: Parts) -> None:
    if not parts.settings.mock_provider:
        raise Problem("not_found", "the mock provider is off")
    if not caller.identity.is_admin:
        raise Problem("forbidden", "Only an admin may control the mock.")
