"""Orders: made by anybody, looked at by whoever knows their id, paid again, marked as paid by an admin."""

from __future__ import annotations

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.answers.orders import AcceptedOrder, FailedOrder, OrderAnswer, OrderCreatedAnswer, OrderMarkedPaidAnswer
from services.gateway.api.deposits import own_locale
from services.gateway.auth import Caller
from services.gateway.bodies import Body, read_json
from services.gateway.commands import Issued, issue, not_there_yet
from services.gateway.documentation import OPENING, operation
from services.gateway.edge import request_id_of
from services.gateway.fields import ExternalIdField, Locale, MetadataField, RequestBody
from services.gateway.guests import caller_of_order
from services.gateway.idempotency import caller_of
from services.gateway.order_fields import BirthDateField, DatedBirthDateField, EmailField, PhoneField, PointsField
from services.gateway.ordering import Wanted, create_order_command, orderer
from services.gateway.parts import AdminOnly, GatewayParts, GuestOrSignedIn, Parts
from services.gateway.problems import Problem, RefusedByDecision, malformed
from services.gateway.rendering import orders as rendering
from services.gateway.requests import MARKED_PAID, ORDER, ORDER_CREATED
from shared.contracts.orders import CreateOrder, CreateOrderPayment, GetOrder, MarkOrderPaid, OrderView
from shared.methods import METHODS

router = APIRouter(tags=["orders"])

_OURS: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_SLOW: Final = (AcceptedOrder, "Safe, but slow: poll the Location.")
_DEFAULT_PRODUCT: Final = "chakras"

OrderId = Annotated[str, Path(description="The order's id.", examples=["4f0a1c9e-6b1d-8c3e-9a51-6f6d2f0c1b7e"])]

Method = Annotated[str | None, Field(pattern=r"^[a-z0-9_]{1,32}$", description=f"One of {', '.join(METHODS)}.", examples=["mock"])]
ProductField = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$", description="One of those on sale.", examples=["chakras"])]


class _Form(BaseModel):
    """What an order form holds beside its product; email or phone is required."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string", "pattern": "[^ ]"}}} for name in ("email", "phone")]
        }
    )

    email: EmailField = None
    phone: PhoneField = None
    birth_date: BirthDateField = None
    points: PointsField = None
    method: Annotated[Method, Field(description="Left out: the first one configured.")] = None
    locale: Annotated[Locale | None, Field(description="Of the pages that follow, and of the text; left out: the caller's own.")] = None
    external_id: ExternalIdField = None
    metadata: MetadataField = Field(default_factory=dict)


class OrderRequest(RequestBody, _Form):
    product: ProductField


class OrderLinkRequest(RequestBody, _Form):
    product: ProductField = _DEFAULT_PRODUCT
    birth_date: DatedBirthDateField = None


class OrderPaymentRequest(RequestBody):
    method: Annotated[Method, Field(description="Left out: as before.")] = None


class MarkOrderPaidRequest(RequestBody):
    reference: Annotated[
        str,
        Field(
            pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?$", description="The provider's own of the charge.", examples=["777123"]
        ),
    ]
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="For the audit log.", examples=["bank list"])]


_MAKES: Final = operation(
    "Order something and pay for it",
    body=OrderRequest,
    answers={201: (OrderCreatedAnswer, "The payer goes on at payment_url."), 202: _SLOW},
    problems=(*OPENING, "external_id_reused", "deadline_passed"),
    asks_behind=True,
    idempotent=True,
    guests=True,
    description="No account is needed: a guest is told apart by whom they want to be reached. Email or phone is required.",
)
_MAKES_LINK: Final = operation(
    "Order something and pay for it, with defaults",
    body=OrderLinkRequest,
    answers={201: (OrderCreatedAnswer, "The payer goes on at payment_url."), 202: _SLOW},
    problems=(*OPENING, "external_id_reused", "deadline_passed"),
    asks_behind=True,
    idempotent=True,
    guests=True,
    description="As POST /api/v1/orders; product may be left out, and a birth_date that is left out is today.",
)


@router.post("/api/v1/orders", **_MAKES)
async def create_order(request: Request, caller: GuestOrSignedIn, parts: GatewayParts) -> Response:
    body = await read_json(request, OrderRequest, parts.settings.body_limit_bytes)
    return await _create(request, parts, caller, body, "POST /api/v1/orders")


@router.post("/create_order/", **_MAKES_LINK)
async def create_order_alias(request: Request, caller: GuestOrSignedIn, parts: GatewayParts) -> Response:
    body = await read_json(request, OrderLinkRequest, parts.settings.body_limit_bytes)
    return await _create(request, parts, caller, body, "POST /create_order/")


@router.post("/api/v1/payments/create-link", **_MAKES_LINK)
async def create_link(request: Request, caller: GuestOrSignedIn, parts: GatewayParts) -> Response:
    body = await read_json(request, OrderLinkRequest, parts.settings.body_limit_bytes)
    return await _create(request, parts, caller, body, "POST /api/v1/payments/create-link")


async def _create(
    request: Request, parts: Parts, caller: Caller | None, body: Body[OrderRequest] | Body[OrderLinkRequest], operation_name: str
) -> Response:
    form = body.value
    if form.email is None and form.phone is None:
        raise malformed("body", "email", msg="is required, or phone")
    own = None if caller is None else own_locale(caller)
    wanted = Wanted(
        product=form.product,
        email=form.email,
        phone=form.phone,
        birth_date=form.birth_date,
        points=form.points,
        method=form.method,
        locale=form.locale or own or parts.settings.default_locale,
        dated_when_ordered=isinstance(form, OrderLinkRequest),
        external_id=form.external_id,
        metadata=form.metadata,
    )
    who = orderer(parts.keys, caller, wanted)
    issued = issue(request, parts, caller=who.name, operation=operation_name, fingerprint=body.fingerprint)
    return await _made(issued, create_order_command(issued, who, wanted))


@router.post(
    "/api/v1/orders/{order_id}/payments",
    **operation(
        "Pay an order by another payment",
        body=OrderPaymentRequest,
        body_optional=True,
        answers={201: (OrderCreatedAnswer, "A new session; the ones before it are ended where they can be."), 202: _SLOW},
        problems=(
            "order_not_found", "already_paid", "payment_processing", "order_failed", "too_many_payments", "external_id_reused", *OPENING,
            "deadline_passed",
        ),
        asks_behind=True,
        idempotent=True,
        guests=True,
        description="For whoever knows the order's id: a failed or expired session is not the order's end.",
    ),
)  # fmt: skip
async def pay_again(request: Request, _: GuestOrSignedIn, parts: GatewayParts, order_id: OrderId) -> Response:
    body = await read_json(request, OrderPaymentRequest, parts.settings.body_limit_bytes, optional=True)
    known = _known(order_id)
    issued = issue(
        request,
        parts,
        caller=caller_of_order(str(known)),
        operation="POST /api/v1/orders/{order_id}/payments",
        fingerprint=body.fingerprint,
    )
    return await _made(
        issued, CreateOrderPayment(**issued.envelope, order_id=known, payment_id=issued.resource_id, method=body.value.method)
    )


async def _made(issued: Issued, command: CreateOrder | CreateOrderPayment) -> Response:
    answer = await issued.ask(command, ORDER_CREATED)
    if answer is None:
        return _accepted(issued, str(command.order_id))
    created, replayed = answer
    return issued.made(rendering.order_created(created), f"/api/v1/orders/{created.order_id}", replayed=replayed)


@router.get(
    "/api/v1/orders/{order_id}",
    **operation(
        "One order",
        answers={
            200: ((OrderAnswer, AcceptedOrder, FailedOrder), "The order; with a receipt also `accepted`, or `failed` with its problem.")
        },
        problems=("order_not_found", "invalid_request", "no_answer"),
        asks_behind=True,
        signed_in=False,
        description="For whoever knows its id.",
    ),
)
async def order(
    request: Request,
    parts: GatewayParts,
    order_id: OrderId,
    receipt: Annotated[str | None, Query(max_length=200, description="From the Location of a 202.", examples=[None])] = None,
) -> Response:
    known = _known(order_id)
    request_id = request_id_of(request.scope)
    try:
        view = await parts.services.question(GetOrder(order_id=known, correlation_id=request_id), ORDER)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "order_not_found":
            raise
        caller = caller_of_order(str(known))
        polled = not_there_yet(parts, receipt, str(known), caller=caller, name="order_id", request_id=request_id)
        if polled is None:
            raise
        return polled
    assert isinstance(view, OrderView)
    return Response(rendering.order(view), media_type="application/json")


@router.post(
    "/api/v1/orders/{order_id}/mark-paid",
    **operation(
        "Say that an order was paid",
        body=MarkOrderPaidRequest,
        answers={200: (OrderMarkedPaidAnswer, "Paid, and booked under the reference."), 202: _SLOW},
        problems=("forbidden", "order_not_found", "already_paid", "order_failed", "reference_in_use", "deadline_passed"),
        asks_behind=True,
        idempotent=True,
        description="Admins only, audited; for providers that cannot be asked. The provider's own first word on it is then its match.",
    ),
)
async def mark_paid(request: Request, caller: AdminOnly, parts: GatewayParts, order_id: OrderId) -> Response:
    body = await read_json(request, MarkOrderPaidRequest, parts.settings.body_limit_bytes)
    known = _known(order_id)
    issued = issue(
        request,
        parts,
        caller=caller_of(caller.user_id),
        operation="POST /api/v1/orders/{order_id}/mark-paid",
        fingerprint=body.fingerprint,
    )
    command = MarkOrderPaid(
        **issued.envelope, order_id=known, admin_user_id=caller.user_id, reference=body.value.reference, reason=body.value.reason
    )
    answer = await issued.ask(command, MARKED_PAID)
    if answer is None:
        return _accepted(issued, str(known))
    marked, replayed = answer
    return issued.done(rendering.order_marked_paid(marked), replayed=replayed)


def _accepted(issued: Issued, order_id: str) -> Response:
    return issued.accepted(f"/api/v1/orders/{order_id}", order_id, known_to=caller_of_order(order_id), order_id=order_id)


def _known(order_id: str) -> UUID:
    if not _OURS.fullmatch(order_id):
        raise Problem("order_not_found", "There is no such order.")
    return UUID(order_id)
