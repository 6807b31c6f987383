"""The API's HTTP face: keys, versions, parameters, idempotency, faults, and the form of every answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.emulators.admin import admin_routes
from tests.emulators.faults import Fault, fault_of
from tests.emulators.server import BODY_LIMIT_BYTES
from tests.emulators.stripe.authorization import authorize, check_version
from tests.emulators.stripe.checkout_pages import checkout_routes
from tests.emulators.stripe.control import ACTIONS
from tests.emulators.stripe.errors import Invalid, Refusal, server_error
from tests.emulators.stripe.hosted import hosted_routes
from tests.emulators.stripe.idempotency import Answer
from tests.emulators.stripe.objects import API_VERSION, Json, new_id
from tests.emulators.stripe.operations import Call, Operation, check_expand, expanded, operations
from tests.emulators.stripe.parameters import parse_form, read, texts
from tests.emulators.stripe.script import script_routes

if TYPE_CHECKING:
    from tests.emulators.stripe.emulator import StripeEmulator

_FORM: Final = "application/x-www-form-urlencoded"
_CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
    "access-control-allow-headers": "authorization, content-type, idempotency-key, stripe-version",
    "access-control-expose-headers": "Request-Id, Stripe-Version, Idempotent-Replayed, Stripe-Should-Retry",
    "access-control-max-age": "300",
}


def create_app(emulator: StripeEmulator) -> Starlette:
    """All of it: the API, Stripe.js, the pages of Checkout and of 3-D Secure, and the controls."""
    routes = [
        Route(one.path, _endpoint(emulator, one), methods=[one.method], name=one.name) for one in operations(emulator.book, emulator.events)
    ]
    routes += [
        *hosted_routes(emulator.book),
        *checkout_routes(emulator.book.checkout),
        *script_routes(),
        *admin_routes(emulator.control, ACTIONS, emulator.deliveries, emulator.faults),
        Route("/{path:path}", _nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], name="_nothing"),
    ]
    return Starlette(routes=routes, middleware=[Middleware(emulator.faults.wrap)], max_body_size=BODY_LIMIT_BYTES)


def fault_answer(fault: Fault) -> Response:
    """429, 503 and 504 as they come before anything of the request is looked at.

    Options of a fault: `reason` (429: Stripe-Rate-Limited-Reason), `code` (429: lock_timeout, which has no reason), `should_retry`.
    """
    code = fault.options.get("code", "rate_limit")
    headers = _fault_headers(fault)
    if fault.kind == "429":
        if "reason" in fault.options and code == "rate_limit":
            headers["stripe-rate-limited-reason"] = fault.options["reason"]
        message = (
            "Request rate limit exceeded." if code == "rate_limit" else "This object cannot be accessed right now: another request has it."
        )
        return _answer(Refusal(429, message, code=code).body(), 429, headers)
    if fault.kind == "504_after":
        # From something in between, which does not speak JSON.
        return Response("upstream request timeout", 504, _CORS | headers, media_type="text/plain")
    return _answer(Refusal(503, "The service is not available for the moment.", kind="api_error").body(), 503, headers)


def _endpoint(emulator: StripeEmulator, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request_id = new_id("req_", 14)
        fault = fault_of(request.scope)
        try:
            call, expand = await _read(emulator, operation, request)
        except Refusal as refusal:
            return _answer(refusal.body(), refusal.status, {"request-id": request_id})
        key = request.headers.get("idempotency-key") if operation.method == "POST" else None
        headers = (
            {"request-id": request_id} | ({"idempotency-key": key} if key is not None else {}) | (_fault_headers(fault) if fault else {})
        )
        if key is None:
            answer, _ = await _execute(emulator, operation, call, expand, fault, request_id, key)
            return _sent(answer, headers)
        endpoint_path = f"{operation.method} {request.url.path}"
        try:
            before = emulator.idempotency.begin(key, endpoint_path, {**call.params, "expand": expand})
        except Refusal as refusal:
            return _answer(refusal.body(), refusal.status, headers)
        if before is not None:
            return _sent(before, headers | {"idempotent-replayed": "true", "original-request": before.request_id})
        stored = False
        try:
            answer, stored = await _execute(emulator, operation, call, expand, fault, request_id, key)
        finally:
            if stored:
                emulator.idempotency.keep(key, answer)
            else:
                emulator.idempotency.forget(key)
        return _sent(answer, headers)

    return endpoint


async def _execute(
    emulator: StripeEmulator, operation: Operation, call: Call, expand: list[str], fault: Fault | None, request_id: str, key: str | None
) -> tuple[Answer, bool]:
    """The answer, and whether it is kept under the key."""
    slow = fault if fault is not None and fault.kind == "slow" else None
    if slow is not None and slow.options.get("when") != "after":
        await emulator.faults.wait(slow.seconds)
    status, stored = 200, True
    try:
        if fault is not None and fault.kind == "500_before":
            raise server_error()
        with emulator.events.caused_by(request_id, key):
            shown = operation.run(call)
        if fault is not None and fault.kind == "500_after":
            raise server_error()
        shown = expanded(emulator.book, shown, expand)
    except Refusal as refusal:
        status, stored, shown = refusal.status, refusal.stored, _public(emulator, refusal.body()) if call.public else refusal.body()
    if slow is not None and slow.options.get("when") == "after":
        await emulator.faults.wait(slow.seconds)
    return Answer(status, _encoded(shown), request_id), stored


async def _read(emulator: StripeEmulator, operation: Operation, request: Request) -> tuple[Call, list[str]]:
    """The call and what is to be expanded. Refusal: 401, 403, or its parameters."""
    body = (await request.body()).decode("utf-8", "replace")
    if operation.method == "GET":
        sent = parse_form(request.url.query)
    else:
        if body and request.headers.get("content-type", "").partition(";")[0].strip() != _FORM:
            raise Invalid(f"Invalid request (check that your POST content type is {_FORM}).")
        sent = parse_form(body)
    public = authorize(request.headers.get("authorization"), sent.get("key"), emulator.keys, operation)
    check_version(request.headers.get("stripe-version", API_VERSION), sent)
    spec = operation.public_spec if public else operation.spec
    assert spec is not None
    params = read(sent, {**spec, "expand": texts}, operation.required)
    expand = params.pop("expand", [])
    check_expand(expand)
    return Call(params, request.path_params.get("key", ""), public), expand


def _public(emulator: StripeEmulator, body: Json) -> Json:
    """A browser sees no more of an intent in an error than elsewhere."""
    intent = body["error"].get("payment_intent")
    if intent is not None:
        body["error"]["payment_intent"] = emulator.book.account.intents.get(intent["id"]).public_view()
    return body


async def _nothing_here(request: Request) -> Response:
    # A payer's browser calls the API from the shop's page; the controls are nobody's page's.
    if request.method == "OPTIONS" and not request.url.path.startswith("/_emulator/"):
        return Response(status_code=200, headers=_CORS)
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return _answer(Refusal(404, message).body(), 404, {"request-id": new_id("req_", 14)})


def _fault_headers(fault: Fault) -> dict[str, str]:
    should_retry = fault.options.get("should_retry")
    return {} if should_retry is None else {"stripe-should-retry": should_retry}


def _encoded(shown: Any) -> bytes:
    return json.dumps(shown, indent=2, ensure_ascii=False).encode()


def _answer(shown: Json, status: int, headers: dict[str, str]) -> Response:
    return _sent(Answer(status, _encoded(shown), ""), headers)


def _sent(answer: Answer, headers: dict[str, str]) -> Response:
    everywhere = {"request-id": new_id("req_", 14), "stripe-version": API_VERSION, "cache-control": "no-cache, no-store"}
    return Response(answer.body, answer.status, _CORS | everywhere | headers, media_type="application/json")
