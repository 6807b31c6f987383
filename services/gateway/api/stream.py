"""The ticket that opens a live stream at the notifier."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from services.gateway.answers import TicketAnswer
from services.gateway.documentation import operation
from services.gateway.parts import GatewayParts, SignedIn
from shared.contracts.base import new_id, utc_now
from shared.tickets import Ticket

router = APIRouter(prefix="/api/v1/stream", tags=["live updates"])

TICKET_SECONDS: Final = 30


@router.post(
    "/ticket",
    **operation("A ticket for one live stream", answers={200: (TicketAnswer, "Open `url` within 30 s; it works once.")}),
)
async def ticket(caller: SignedIn, parts: GatewayParts) -> Response:
    signed = parts.tickets.sign(
        Ticket(
            ticket_id=new_id(),
            user_id=caller.user_id,
            expires_at=utc_now() + timedelta(seconds=TICKET_SECONDS),
            session_expires_at=caller.identity.expires_at,
        )
    )
    body = {"ticket": signed, "url": f"{parts.settings.notifier_public_url}/ws?ticket={signed}", "expires_in": TICKET_SECONDS}
    return Response(orjson.dumps(body), media_type="application/json")
