"""Who may see the operator's pages, and what of them may be missing."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.pages.visits import Visit, log_in_first, visit_of
from services.gateway.parts import Parts
from services.gateway.problems import Problem, RefusedByDecision
from shared.contracts.base import Message, Reply


def admitted(request: Request, parts: Parts, locale: str) -> tuple[Visit, Caller] | Response:
    """An admin's visit; a guest is sent to log in. Problem: forbidden for everybody else."""
    visit = visit_of(request, parts, locale)
    if visit.caller is None:
        return log_in_first(request, parts, locale)
    if not visit.caller.identity.is_admin:
        raise Problem("forbidden", "Only an admin may see this.")
    return visit, visit.caller


async def if_known(parts: Parts, message: Message, answers: TypeAdapter[Any]) -> Reply | None:
    """The answer; None when it is not to be had now: a page about everything shows the rest all the same."""
    try:
        answer: Reply = await parts.services.question(message, answers)
        return answer
    except (Problem, RefusedByDecision):
        return None
