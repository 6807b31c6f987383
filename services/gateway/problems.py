"""Every error of the HTTP face as application/problem+json (RFC 9457): one table of codes, one way to print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import structlog
from starlette.responses import Response

from shared.contracts.payment_commands import FieldProblem, Refused

log = structlog.get_logger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"

RETRY_SOON_SECONDS: Final = 2
"""Retry-After of a 503: the broker's link tries again at least this often."""

CODES: Final[dict[str, tuple[int, str]]] = {
    "amount_mismatch": (400, "The amount is not the session's"),
    "payment_not_refundable": (400, "The payment is not paid"),
    "payment_disputed": (400, "The payment is disputed"),
    "invalid_signature": (400, "The webhook is not authentic"),
    "payment_not_disputable": (400, "There is nothing to dispute"),
    "not_authenticated": (401, "Log in first"),
    "invalid_token": (401, "The token is not valid"),
    "invalid_credentials": (401, "Login or password is wrong"),
    "order_not_paid": (402, "The order is not paid"),
    "order_refunded": (402, "The order was refunded"),
    "not_ready": (402, "What was bought is not ready yet"),
    "csrf_failed": (403, "The request may not come from this page"),
    "forbidden": (403, "You may not do this"),
    "not_found": (404, "There is nothing here"),
    "payment_not_found": (404, "No such payment"),
    "session_not_found": (404, "No such payment session"),
    "suspense_item_not_found": (404, "No such item of suspense"),
    "transfer_not_found": (404, "No such transfer"),
    "product_not_found": (404, "No such product"),
    "order_not_found": (404, "No such order"),
    "interpretation_not_found": (404, "The order has no text"),
    "withdrawal_not_found": (404, "No such withdrawal"),
    "refund_not_found": (404, "No such refund"),
    "mentor_not_found": (404, "No such mentor"),
    "provider_not_found": (404, "No such payment provider here"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "request_timeout": (408, "The body did not arrive in time"),
    "idempotency_key_in_use": (409, "A request with this key is still running"),
    "session_final": (409, "The session was decided otherwise, or has expired"),
    "external_id_reused": (409, "The external_id is in use"),
    "insufficient_funds": (409, "The balance does not cover it"),
    "already_paid": (409, "It has been paid"),
    "payment_processing": (409, "It is being paid"),
    "suspense_item_decided": (409, "It was decided what becomes of it"),
    "payment_not_assignable": (409, "The payment cannot be paid out of suspense"),
    "refund_declined": (409, "The provider declined to send it back"),
    "already_refunded": (409, "All of it is back, or on its way back"),
    "refund_exceeds_payment": (409, "More than can still go back"),
    "refund_reference_reused": (409, "This refund is recorded already"),
    "order_failed": (409, "The order was refused"),
    "too_many_payments": (409, "The order has had too many payments"),
    "reference_in_use": (409, "Another payment has this reference"),
    "payment_not_cancelable": (409, "This payment cannot be canceled"),
    "session_mentor_fixed": (409, "The mentor of a session never changes"),
    "withdrawal_not_pending": (409, "The withdrawal is not pending any more"),
    "withdrawal_final": (409, "The withdrawal was decided otherwise"),
    "withdrawal_not_sent": (409, "Nothing of the withdrawal was sent"),
    "withdrawal_not_paid": (409, "The withdrawal was not paid"),
    "payout_not_manual": (409, "The payout is not made by hand"),
    "payout_not_overdue": (409, "The payout has not been unknown for a day"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body must be plain JSON"),
    "invalid_request": (422, "The request is malformed"),
    "invalid_amount": (422, "The amount is malformed"),
    "invalid_cursor": (422, "The cursor is not one of ours"),
    "refund_not_supported": (422, "The provider cannot send money back"),
    "idempotency_key_reused": (422, "The key was used for another request"),
    "method_not_available": (422, "The payment method is not available"),
    "currency_not_available": (422, "The payment method does not take this currency"),
    "amount_not_available": (422, "The payment method does not take this amount"),
    "operation_not_supported": (422, "The provider has no such operation"),
    "payment_rejected": (422, "The provider does not take this payment"),
    "destination_not_available": (422, "Nothing can be paid out there"),
    "payouts_not_available": (422, "There are no payouts here"),
    "own_session": (422, "Nobody pays for a session of their own"),
    "same_user": (422, "A transfer is between two users"),
    "too_many_requests": (429, "Too many attempts"),
    "internal_error": (500, "Something went wrong here"),
    "broker_unavailable": (503, "Nothing was done; try again"),
    "busy": (503, "Nothing was done; try again"),
    "no_answer": (503, "The answer did not come in time; try again"),
    "deadline_passed": (503, "The request came too late to be worked on; nothing was done"),
    "provider_not_configured": (503, "No payment provider is configured"),
    "provider_unavailable": (503, "The payment provider does not serve now"),
    "not_received": (503, "The request never arrived; nothing was done"),
    "fulfilment_failed": (503, "What was bought could not be made yet"),
    "service_not_ready": (503, "A service is not ready"),
}
"""Each stable code, its status and its title. Codes and titles are part of kept answers: they are added, never changed."""

_UNKNOWN_REFUSAL: Final = (400, "The request was refused")


class Problem(Exception):
    """An answer that is an error: `code` of CODES, `detail` for people, `errors` a field each."""

    def __init__(self, code: str, detail: str, *, errors: Sequence[FieldProblem] = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        if status_of(code) == 503:
            self.headers.setdefault("Retry-After", str(RETRY_SOON_SECONDS))
        if status_of(code) == 401:
            self.headers.setdefault("WWW-Authenticate", "Bearer")


class RefusedByDecision(Exception):
    """A service behind decided against the request; printed with the first request's id, so that a replay is byte for byte the same."""

    def __init__(self, refused: Refused, *, replayed: bool = False) -> None:
        super().__init__(refused.code)
        self.refused = refused
        self.replayed = replayed


def status_of(code: str) -> int:
    return CODES.get(code, _UNKNOWN_REFUSAL)[0]


def field_problem(*loc: str | int, msg: str) -> FieldProblem:
    return FieldProblem(loc=loc, msg=msg)


def malformed(*loc: str | int, msg: str) -> Problem:
    """422 for one field, e.g. malformed("body", "amount", msg="must be above 0")."""
    return Problem("invalid_request", f"{'.'.join(map(str, loc))}: {msg}", errors=[field_problem(*loc, msg=msg)])


def problem_object(code: str, detail: str, errors: Sequence[FieldProblem], request_id: str) -> dict[str, Any]:
    """The problem as it is printed; the order of its members is part of the contract."""
    status, title = CODES.get(code, _UNKNOWN_REFUSAL)
    return {
        "type": f"urn:purser:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"loc": list(error.loc), "msg": error.msg} for error in errors],
        "request_id": request_id,
    }


def refused_object(refused: Refused) -> dict[str, Any]:
    return problem_object(refused.code, refused.detail, refused.errors, refused.request_id)


def problem_body(problem: Problem, request_id: str, **more: Any) -> bytes:
    return orjson.dumps(problem_object(problem.code, problem.detail, problem.errors, request_id) | more)


def problem_response(problem: Problem, request_id: str, **more: Any) -> Response:
    """The response; `more` are extension members (RFC 9457, section 3.2)."""
    return Response(problem_body(problem, request_id, **more), status_of(problem.code), problem.headers, PROBLEM_TYPE)


def refused_response(refusal: RefusedByDecision) -> Response:
    refused = refusal.refused
    if refused.code not in CODES:
        log.error("refusal with a code that this gateway does not know", code=refused.code)
    status = status_of(refused.code)
    headers = {"Idempotent-Replayed": "true"} if refusal.replayed else {}
    if status == 503 or refused.code == "idempotency_key_in_use":
        headers["Retry-After"] = str(RETRY_SOON_SECONDS)
    return Response(orjson.dumps(refused_object(refused)), status, headers, PROBLEM_TYPE)
