"""Who may see the operator's pages, and what of them may be missing."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.pages.visits import Visit, log_in_first, visit_of
from services.gateway.parts import Parts
from services.gateway.problems import Problem
from shared.contracts.base import Message, Reply

PATIENCE_SECONDS: Final = 6.0
"""Longer than payments counts, and shorter than somebody waits for a page."""


def admitted(request: Request, parts: Parts, locale: str) -> tuple[Visit, Caller] | Response:
    """An admin's visit; a guest is sent to log in. Problem: forbidden for everybody else."""
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, locale)
    if not visit.caller.identity.is_admin:
        raise Problem("forbidden", "Only an admin may see this.")
    return visit, visit.caller


async def if_known(parts: Parts, message: Message, answers: TypeAdapter[Any]) -> Reply | None:
    """The answer; None when it is not to be had soon: a page about everything shows the rest all the same."""
    try:
        answer: Reply | None = await parts.services.ask(
            message, answers, timeout_seconds=min(PATIENCE_SECONDS, parts.services.timeout_seconds)
        )
    except Problem:
        return None
    return answer
