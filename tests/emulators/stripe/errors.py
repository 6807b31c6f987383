"""What the API answers instead of an object, as https://docs.stripe.com/error-codes names it."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An error of the API: its HTTP status and the members of its `error` object."""

    stored = True
    """Kept under the idempotency key and replayed."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", **members: Any) -> None:
        super().__init__(message)
        self.status = status
        self.members = {name: value for name, value in members.items() if value is not None} | {"message": message, "type": kind}

    def body(self) -> dict[str, Any]:
        return {"error": self.members}


class Invalid(Refusal):
    """Refused before anything was executed: nothing is kept under the key."""

    stored = False

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(400, message, code=code, param=param)


class Unauthorized(Refusal):
    """No key, or one that is not ours."""

    stored = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(401, message, code=code)


def missing(kind: str, key: str, param: str = "id") -> Refusal:
    """No such object."""
    return Refusal(404, f"No such {kind}: '{key}'", code="resource_missing", param=param)


def wrong_state(message: str, **members: Any) -> Refusal:
    """The intent's status does not allow it; the body carries the intent."""
    return Refusal(400, message, code="payment_intent_unexpected_state", **members)


def card_error(message: str, *, code: str, **members: Any) -> Refusal:
    """The payer's bank says no."""
    return Refusal(402, message, kind="card_error", code=code, **members)


def server_error() -> Refusal:
    """A 500: what became of the request is not said."""
    return Refusal(500, "An unknown error occurred", kind="api_error")
