"""Paying for a session: the intent, its confirmation, its cancellation."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import confirming, exact_json, paying_sessions
from services.gateway.answers import AcceptedDeposit
from services.gateway.answers.intents import CancellationAnswer, ConfirmationAnswer, IntentAnswer
from services.gateway.api.deposits import own_locale
from services.gateway.auth import Caller
from services.gateway.bodies import read_json
from services.gateway.commands import Issued, issue
from services.gateway.documentation import OPENING, operation
from services.gateway.fields import AmountMinor, CurrencyCode, ExternalIdField, Locale, MetadataField, RequestBody, SubjectId
from services.gateway.idempotency import caller_of
from services.gateway.parts import GatewayParts, Parts, SignedIn
from services.gateway.problems import Problem
from services.gateway.rendering import intents as rendering
from shared.methods import METHODS

router = APIRouter(prefix="/api/v1/payments", tags=["payments"])

_OURS: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_CREATE: Final = "POST /api/v1/payments/create-intent"
_CONFIRM: Final = "POST /api/v1/payments/confirm/{payment_id}"
_CANCEL: Final = "POST /api/v1/payments/{payment_id}/cancel"
_SLOW: Final = (AcceptedDeposit, "Safe, but slow: poll the Location.")

PaymentId = Annotated[str, Path(description="The payment's id.", examples=["0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"])]


class IntentRequest(RequestBody):
    amount: Annotated[AmountMinor, Field(description="Minor units; the session's price.")]
    currency: Annotated[CurrencyCode, Field(examples=["usd"])]
    session_id: Annotated[SubjectId, Field(examples=[1, "1"])]
    mentor_id: SubjectId
    description: Annotated[
        str, Field(max_length=500, description="Shown in statements; left out: the session's title.", examples=["First lesson"])
    ] = ""
    method: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9_]{1,32}$",
            description=f"{', '.join(METHODS)}, or balance: paid from the caller's balance at once. Left out: Stripe where it "
            "is configured, else the mock where that is on.",
            examples=["mock"],
        ),
    ] = None
    locale: Annotated[Locale | None, Field(description="Of the pages that follow; left out: the caller's own.")] = None
    external_id: ExternalIdField = None
    metadata: MetadataField = Field(default_factory=dict)


@router.post(
    "/create-intent",
    **operation(
        "Pay for a session",
        body=IntentRequest,
        answers={
            201: (IntentAnswer, "The payer goes on with client_secret or at payment_url; from the balance it is done: completed."),
            202: _SLOW,
        },
        problems=(
            "session_not_found", "mentor_not_found", "amount_mismatch", "own_session", *OPENING,
            "provider_not_configured", "insufficient_funds", "external_id_reused", "deadline_passed",
        ),
        asks_behind=True,
        idempotent=True,
        description="Each intent is a payment of its own: a session may be paid any number of times.",
    ),
)  # fmt: skip
async def create_intent(request: Request, caller: SignedIn, parts: GatewayParts) -> Response:
    body = await read_json(request, IntentRequest, parts.settings.body_limit_bytes)
    asked = body.value
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_CREATE, fingerprint=body.fingerprint)
    wanted = paying_sessions.Wanted(
        session_id=asked.session_id,
        mentor_id=asked.mentor_id,
        amount_minor=asked.amount,
        currency=asked.currency,
        method=asked.method,
        locale=asked.locale or own_locale(caller) or parts.settings.default_locale,
        description=asked.description,
        external_id=asked.external_id,
        metadata=asked.metadata,
    )
    answer = await paying_sessions.pay(issued, caller, wanted)
    if answer is None:
        return _accepted(issued, str(issued.resource_id))
    created, replayed = answer
    return issued.made(rendering.intent_created(created), f"/api/v1/payments/{created.payment_id}", replayed=replayed)


@router.post(
    "/confirm/{payment_id}",
    **operation(
        "Bring a payment up to date with its provider",
        answers={200: (ConfirmationAnswer, "What the provider says; the mock pays what is pending."), 202: _SLOW},
        problems=("payment_not_found", "forbidden", "session_final", "operation_not_supported", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description="The payer or an admin. Again and again the same; a failed, expired or canceled one is 409 session_final. A pending "
        "one whose provider has no operation status is 422 operation_not_supported, until its webhook has told.",
    ),
)
async def confirm(request: Request, caller: SignedIn, parts: GatewayParts, payment_id: PaymentId) -> Response:
    issued = _issued(request, parts, caller, _CONFIRM, payment_id)
    answer = await confirming.confirm(parts, issued, caller, payment_id)
    if answer is None:
        return _accepted(issued, payment_id)
    confirmed, status, replayed = answer
    return issued.done(rendering.payment_confirmed(confirmed, status), replayed=replayed)


@router.post(
    "/{payment_id}/cancel",
    **operation(
        "Give up a payment that nobody has paid",
        answers={200: (CancellationAnswer, "Nobody can pay it any more."), 202: _SLOW},
        problems=(
            "payment_not_found",
            "forbidden",
            "already_paid",
            "payment_processing",
            "session_final",
            "payment_not_cancelable",
            "deadline_passed",
        ),
        asks_behind=True,
        idempotent=True,
        description="The payer or an admin. Ended at the provider first, where it can be; paid meanwhile, it completes: 409 already_paid.",
    ),
)
async def cancel(request: Request, caller: SignedIn, parts: GatewayParts, payment_id: PaymentId) -> Response:
    issued = _issued(request, parts, caller, _CANCEL, payment_id)
    answer = await confirming.cancel(issued, caller, payment_id)
    if answer is None:
        return _accepted(issued, payment_id)
    canceled, replayed = answer
    return issued.done(rendering.payment_canceled(canceled), replayed=replayed)


def _issued(request: Request, parts: Parts, caller: Caller, operation: str, payment_id: str) -> Issued:
    """Of a request without a body, on a payment that may be ours."""
    if not _OURS.fullmatch(payment_id):
        raise Problem("payment_not_found", "There is no such payment.")
    fingerprint = exact_json.fingerprint(request.url.path, request.scope["query_string"], None)
    return issue(request, parts, caller=caller_of(caller.user_id), operation=operation, fingerprint=fingerprint)


def _accepted(issued: Issued, payment_id: str) -> Response:
    return issued.accepted(f"/api/v1/payments/{payment_id}", payment_id, payment_id=payment_id)
