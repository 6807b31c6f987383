"""What has been, as the API and the pages ask for it: a list of payments, and every step of one."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.gateway.auth import Caller
from services.gateway.problems import Problem
from services.gateway.requests import PAYMENTS, TIMELINE, TRANSFERS, Services
from services.gateway.timeline import Viewer, in_order
from shared.contracts.history import GetTimeline, ListPayments, PaymentList, TimelineStep, TimelineView
from shared.contracts.queries import MAX_REFERENCES, BookedTransfer, ListTransfers


@dataclass(frozen=True, slots=True)
class Timeline:
    """`steps` in order of time, as far as the viewer may see them."""

    payment_id: UUID
    steps: list[TimelineStep]
    truncated: bool


def whose(caller: Caller, *, everyone: bool) -> str | None:
    """Whose payments are listed; None: everybody's. Problem: forbidden, for whoever is no admin."""
    if everyone and not caller.identity.is_admin:
        raise Problem("forbidden", "only an admin may list everyone's payments")
    return None if everyone else caller.user_id


async def list_payments(services: Services, asked: ListPayments) -> PaymentList:
    """A page of the list. Problems: those of a question; invalid_cursor as RefusedByDecision."""
    page = await services.question(asked, PAYMENTS)
    assert isinstance(page, PaymentList)
    return page


async def timeline_of(services: Services, payment_id: str, caller: Caller, request_id: str) -> Timeline:
    """`payment_id`: the payment's, or its session's. Problems: those of a question; payment_not_found as RefusedByDecision."""
    viewer = Viewer(caller.user_id, caller.identity.is_admin)
    asked = GetTimeline(payment_id=payment_id, viewer_user_id=viewer.user_id, viewer_is_admin=viewer.is_admin, correlation_id=request_id)
    view = await services.question(asked, TIMELINE)
    assert isinstance(view, TimelineView)
    steps = in_order(view.steps, await _booked(services, view.references, request_id), viewer)
    return Timeline(view.payment_id, steps, view.truncated)


async def _booked(services: Services, references: tuple[str, ...], request_id: str) -> list[BookedTransfer]:
    """What wallet has of these references."""
    booked: list[BookedTransfer] = []
    for first in range(0, len(references), MAX_REFERENCES):
        asked = ListTransfers(references=references[first : first + MAX_REFERENCES], correlation_id=request_id)
        booked += (await services.question(asked, TRANSFERS)).transfers
    return booked
