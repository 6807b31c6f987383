"""Paying for a coaching session, as the API and the page do it: one command for every way to pay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.gateway.auth import Caller
from services.gateway.commands import Issued
from services.gateway.requests import INTENT
from shared.contracts.intents import CreateIntent, IntentCreated

SESSION_ID_FORM: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}$"
"""Of a coaching session: the mentor's own name of it."""

_SESSION_ID: Final = re.compile(SESSION_ID_FORM, re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is paid to whom and how. `method` none: Stripe where it is on, else the mock. `description` empty: the session's title."""

    session_id: str
    mentor_id: str
    amount_minor: int
    currency: str
    method: str | None
    locale: str
    description: str = ""
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def is_session_id(text: str) -> bool:
    return _SESSION_ID.fullmatch(text) is not None


async def pay(issued: Issued, caller: Caller, wanted: Wanted) -> tuple[IntentCreated, bool] | None:
    """The intent, and whether that is a replay; None while nobody knows: the payment, whose id is `issued.resource_id`, tells the rest.
    Problems: as Issued.ask."""
    command = CreateIntent(
        **issued.envelope,
        payment_id=issued.resource_id,
        user_id=caller.user_id,
        session_id=wanted.session_id,
        mentor_id=wanted.mentor_id,
        amount_minor=wanted.amount_minor,
        currency=wanted.currency,
        method=wanted.method,
        description=wanted.description,
        locale=wanted.locale,
        external_id=wanted.external_id,
        metadata=dict(wanted.metadata),
    )
    return await issued.ask(command, INTENT)
