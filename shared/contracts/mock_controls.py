"""The mock's controls: what an integrator's own tests make the stand-in provider say."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.contracts.base import Currency, Reply, UserId
from shared.contracts.payment_commands import Command

MAX_DELAY_SECONDS: Final = 600
MAX_DUPLICATES: Final = 100


class TellMockPayment(Command):
    """Let the mock say how a session has ended, later or more than once, whatever it has said before; each success is another charge.
    Refused: session_not_found; invalid_amount."""

    type: Literal["tell-mock-payment.v1"] = "tell-mock-payment.v1"
    session_id: str = Field(max_length=100, description="or the payment's id")
    actor_user_id: UserId
    outcome: Literal["success", "failure"]
    delay_seconds: int = Field(default=0, ge=0, le=MAX_DELAY_SECONDS)
    duplicate: int = Field(default=0, ge=0, le=MAX_DUPLICATES, description="how often more the same event is told")
    amount: str | None = Field(default=None, max_length=64, description="major units, exact decimal text; none: the session's")
    currency: Currency | None = Field(default=None, description="none: the session's")


class TellMockDispute(Command):
    """Let the mock say that the charge of a payment is disputed, or how the dispute has ended. Refused: payment_not_found;
    payment_not_disputable (nobody has paid it)."""

    type: Literal["tell-mock-dispute.v1"] = "tell-mock-dispute.v1"
    payment_id: str = Field(max_length=100, description="or its session's id")
    actor_user_id: UserId
    event: Literal["opened", "won", "lost"]


class MockEventScheduled(Reply):
    """One event that will take the road of every webhook event, `times` times, from `due_at` on."""

    type: Literal["mock-event-scheduled.v1"] = "mock-event-scheduled.v1"
    payment_id: UUID
    session_id: UUID
    event_id: str
    times: int
    due_at: AwareDatetime
