"""Money in: a deposit, and the stand-in provider's completion, whose event takes the road of every provider's webhook."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import rendering
from services.gateway.answers import AcceptedCompletion, AcceptedDeposit, CompletionAnswer, DepositAnswer
from services.gateway.auth import Caller
from services.gateway.bodies import read_json
from services.gateway.commands import issue
from services.gateway.depositing import Wanted, start_deposit
from services.gateway.documentation import OPENING, operation
from services.gateway.fields import CurrencyCode, DecimalText, ExternalIdField, Locale, MetadataField, OpaqueId, RequestBody
from services.gateway.idempotency import caller_of
from services.gateway.mock_events import hand_in
from services.gateway.parts import GatewayParts, SignedIn
from services.gateway.problems import Problem, malformed
from services.gateway.requests import MOCK_SESSION
from services.gateway.settlement import wait_until_settled
from shared.contracts.payment_commands import CompleteMockSession
from shared.methods import METHODS
from shared.money import Money, MoneyError, parse_major

router = APIRouter(prefix="/api/v1/balance", tags=["balance"])

_OURS: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NOT_FINAL: Final = frozenset({"pending", "expired", "canceled"})
_DEPOSIT: Final = "POST /api/v1/balance/deposit"
_COMPLETE: Final = "POST /api/v1/balance/mock/complete"


class DepositRequest(RequestBody):
    amount: DecimalText
    currency: CurrencyCode
    method: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9_]{1,32}$",
            description=f"{', '.join(METHODS)}; left out: the first one configured.",
            examples=["mock"],
        ),
    ] = None
    locale: Annotated[Locale | None, Field(description="Of the pages that follow; left out: the caller's own.")] = None
    external_id: ExternalIdField = None
    metadata: MetadataField = Field(default_factory=dict)


class CompleteRequest(RequestBody):
    session_id: Annotated[
        OpaqueId,
        Field(description="From the deposit; of an intent, its payment_id.", examples=["0199d3a2-8f14-7b0a-8c2d-11aa52e0f9c4"]),
    ]
    amount: Annotated[DecimalText | None, Field(description="Must be the session's own; left out: not compared.")] = None
    outcome: Annotated[Literal["success", "failure"], Field(examples=["success"])] = "success"


@router.post(
    "/deposit",
    **operation(
        "Start a top-up of my balance",
        body=DepositRequest,
        answers={
            201: (DepositAnswer, "The payer goes on at payment_url."),
            202: (AcceptedDeposit, "Safe, but slow: poll the Location."),
        },
        problems=(*OPENING, "external_id_reused", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
    ),
)
async def deposit(request: Request, caller: SignedIn, parts: GatewayParts) -> Response:
    body = await read_json(request, DepositRequest, parts.settings.body_limit_bytes)
    money = _money(body.value.amount, body.value.currency)
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_DEPOSIT, fingerprint=body.fingerprint)
    wanted = Wanted(
        money=money,
        method=body.value.method,
        locale=body.value.locale or own_locale(caller) or parts.settings.default_locale,
        external_id=body.value.external_id,
        metadata=body.value.metadata,
    )
    answer = await start_deposit(issued, caller, wanted)
    if answer is None:
        payment_id = str(issued.resource_id)
        return issued.accepted(f"/api/v1/payments/{payment_id}", payment_id, payment_id=payment_id)
    created, replayed = answer
    return issued.made(rendering.deposit_created(created), f"/api/v1/payments/{created.payment_id}", replayed=replayed)


@router.post(
    "/mock/complete",
    **operation(
        "Complete a session of the mock provider",
        body=CompleteRequest,
        answers={
            200: (CompletionAnswer, "Done: completed means that the balance shows it."),
            202: (AcceptedCompletion, "Safe, but slow: poll the Location."),
        },
        problems=("amount_mismatch", "not_found", "session_not_found", "session_final", "invalid_amount", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description="Travels as the mock's signed webhook event. Only where the mock provider is on; else 404.",
    ),
)
async def complete(request: Request, caller: SignedIn, parts: GatewayParts) -> Response:
    if not parts.settings.mock_provider:
        raise Problem("not_found", "the mock provider is off")
    waits_until = asyncio.get_running_loop().time() + parts.services.timeout_seconds
    body = await read_json(request, CompleteRequest, parts.settings.body_limit_bytes)
    if not _OURS.fullmatch(body.value.session_id):
        # Never given out; and a Location made of it would lead somewhere else.
        raise Problem("session_not_found", "There is no such session.")
    issued = issue(request, parts, caller=caller_of(caller.user_id), operation=_COMPLETE, fingerprint=body.fingerprint)
    command = CompleteMockSession(
        **issued.envelope,
        session_id=body.value.session_id,
        user_id=caller.user_id,
        amount=body.value.amount,
        outcome=body.value.outcome,
    )
    answer = await issued.ask(command, MOCK_SESSION)
    if answer is None:
        # Which payment it is, only payments knows; it answers for its session's id too.
        session_id = command.session_id
        return issued.accepted(f"/api/v1/payments/{session_id}", session_id, session_id=session_id)
    decided, replayed = answer
    await hand_in(parts, decided.event, decided.payment_id, command.correlation_id)
    # By its session's id: an order's payment is shown to whoever knows that.
    status = await wait_until_settled(parts.services, str(decided.session_id), caller.user_id, command.correlation_id, waits_until)
    payment_id = str(decided.payment_id)
    if status in _NOT_FINAL:
        return issued.accepted(f"/api/v1/payments/{payment_id}", payment_id, payment_id=payment_id, session_id=str(decided.session_id))
    # What came after a completion (a refund, say) does not change what this completion did.
    told = "failed" if status == "failed" else "completed"
    return issued.done(rendering.mock_completed(decided.payment_id, decided.session_id, told), replayed=replayed)


def _money(amount: str, currency: str) -> Money:
    try:
        return parse_major(amount, currency)
    except MoneyError as error:
        raise malformed("body", "amount", msg=str(error)) from error


def own_locale(caller: Caller) -> str | None:
    """The language of the caller's own token, if it is one of ours."""
    locale = (caller.identity.locale or "")[:2].lower()
    return locale if locale in ("en", "ru", "sr") else None
