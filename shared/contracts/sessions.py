"""Coaching sessions: what is paid for, whose it is, and its price."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.base import AmountMinor, Currency, Message, Reply, UserId
from shared.contracts.history import ListedPayment
from shared.contracts.payment_commands import Command

CoachingSessionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Title = Annotated[str, StringConstraints(max_length=200)]


class PutSession(Command):
    """Make the session, or change its price and title. Refused: session_mentor_fixed."""

    type: Literal["put-session.v1"] = "put-session.v1"
    session_id: CoachingSessionId
    mentor_id: UserId
    price_minor: AmountMinor
    currency: Currency
    title: Title
    user_id: UserId = Field(description="who asks: that mentor, or an admin")


class GetSession(Message):
    """A session, for whoever is signed in. Refused: session_not_found."""

    type: Literal["get-session.v1"] = "get-session.v1"
    session_id: str = Field(max_length=100)


class SessionView(Reply):
    type: Literal["session-view.v1"] = "session-view.v1"
    session_id: CoachingSessionId
    mentor_id: UserId
    price_minor: AmountMinor
    currency: Currency
    title: Title
    created_at: AwareDatetime
    updated_at: AwareDatetime


class GetSessionPayments(Message):
    """What one payer has begun and paid for a session; nothing for a session that is not there."""

    type: Literal["get-session-payments.v1"] = "get-session-payments.v1"
    session_id: str = Field(max_length=100)
    user_id: UserId = Field(description="the payer")


class SessionPayments(Reply):
    """Of each kind the newest. `open`: can still be paid; `paid`: and not all of it has gone back; `ended_payment_id`: is not open (any
    more), also because it was refused."""

    type: Literal["session-payments.v1"] = "session-payments.v1"
    open: ListedPayment | None
    paid: ListedPayment | None
    ended_payment_id: UUID | None


class SessionSaved(Reply):
    """`created`: it was not there before."""

    type: Literal["session-saved.v1"] = "session-saved.v1"
    created: bool
    session: SessionView
