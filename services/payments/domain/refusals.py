"""Refusals that several requests share, in the words of the contract."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.payment_commands import FieldProblem, Refused


class TooLate(Exception):
    """The command came after its deadline. It leaves no trace: its key is free for a repeat, a receipt says that nothing was received."""


def method_refused(enabled: Sequence[str], request_id: str) -> Refused:
    on = ", ".join(enabled) or "none"
    return Refused(
        code="method_not_available",
        detail=f"This method is not available; available: {on}.",
        errors=(FieldProblem(loc=("body", "method"), msg=f"must be one of: {on}"),),
        request_id=request_id,
    )


def provider_unavailable(provider: str, request_id: str) -> Refused:
    return Refused(code="provider_unavailable", detail=f"{provider} does not serve now; nothing was done.", request_id=request_id)


def rejected(provider: str, reason: str, request_id: str) -> Refused:
    return Refused(code="payment_rejected", detail=f"{provider} does not take this payment: {reason}"[:500], request_id=request_id)


def session_over(status: str, request_id: str) -> Refused:
    return Refused(code="session_final", detail=f"The payment is {status}; it can be made anew.", request_id=request_id)


def too_late(request_id: str) -> Refused:
    return Refused(
        code="deadline_passed", detail="The request was not worked on in time and was refused; nothing happened.", request_id=request_id
    )


def key_reused(request_id: str) -> Refused:
    return Refused(code="idempotency_key_reused", detail="This Idempotency-Key was used with another request.", request_id=request_id)


def key_in_use(request_id: str) -> Refused:
    return Refused(
        code="idempotency_key_in_use", detail="A request with this Idempotency-Key is still being worked on.", request_id=request_id
    )


def external_id_reused(request_id: str) -> Refused:
    return Refused(
        code="external_id_reused",
        detail="This external_id belongs to an earlier request of yours.",
        errors=(FieldProblem(loc=("body", "external_id"), msg="is in use"),),
        request_id=request_id,
    )


def payment_not_found(request_id: str) -> Refused:
    return Refused(code="payment_not_found", detail="There is no such payment.", request_id=request_id)


def insufficient_funds(request_id: str) -> Refused:
    return Refused(code="insufficient_funds", detail="The balance does not cover the amount; nothing was moved.", request_id=request_id)


def invalid_cursor(request_id: str) -> Refused:
    problem = FieldProblem(loc=("query", "cursor"), msg="not a cursor of this list")
    return Refused(code="invalid_cursor", detail="The cursor is not one of this list.", errors=(problem,), request_id=request_id)


def session_not_found(request_id: str) -> Refused:
    return Refused(code="session_not_found", detail="There is no such session.", request_id=request_id)


def order_not_found(request_id: str) -> Refused:
    return Refused(code="order_not_found", detail="There is no such order.", request_id=request_id)


def product_not_found(request_id: str) -> Refused:
    return Refused(code="product_not_found", detail="There is no such product.", request_id=request_id)


def being_paid(request_id: str) -> Refused:
    return Refused(
        code="payment_processing", detail="The payer has paid, and the bank has not decided yet: wait for it.", request_id=request_id
    )


def already_paid(request_id: str) -> Refused:
    return Refused(code="already_paid", detail="It is paid already.", request_id=request_id)
