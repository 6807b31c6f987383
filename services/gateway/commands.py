"""How a route gives a command: whose it is and what makes it the same one, and what its answer or its silence is for the client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from services.gateway import receipts, rendering
from services.gateway.edge import request_id_of
from services.gateway.idempotency import idempotency, key_of, resource_id
from services.gateway.parts import Parts
from services.gateway.problems import RefusedByDecision
from shared.contracts.base import Reply, utc_now
from shared.contracts.payment_commands import Command, CommandReply, Idempotency, InProgress, Refused

Answer = TypeVar("Answer", bound=Reply)

COMMAND_LIFE: Final = timedelta(seconds=60)
"""A command that is worked on later than this is refused: nobody may be waiting any more."""

_POLL_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Issued:
    """What a command carries of its request. `resource_id` names what it makes: the same for the same caller, operation and key."""

    parts: Parts
    correlation_id: str
    idempotency: Idempotency
    resource_id: UUID
    deadline: datetime

    @property
    def envelope(self) -> dict[str, Any]:
        """The fields that every command has."""
        return {"correlation_id": self.correlation_id, "idempotency": self.idempotency, "deadline": self.deadline}

    async def ask(self, command: Command, answers: TypeAdapter[CommandReply[Answer]]) -> tuple[Answer, bool] | None:
        """The final answer and whether it is a replay; None while there is none: that is 202, see `accepted`.
        Problems: broker_unavailable and busy (nothing has left); RefusedByDecision."""
        reply = await self.parts.services.ask(command, answers)
        if reply is None or isinstance(reply.answer, InProgress):
            return None
        if isinstance(reply.answer, Refused):
            raise RefusedByDecision(reply.answer, replayed=reply.replayed)
        return reply.answer, reply.replayed

    def accepted(self, path: str, polled_id: str, *, known_to: str | None = None, **ids: str) -> Response:
        """202: safe, but slow. `path` is the resource's own under the API's root; its Location never answers 404 to this caller, or to
        `known_to`."""
        caller = known_to or self.idempotency.caller
        receipt = receipts.sign(self.parts.keys, resource_id=polled_id, caller=caller, deadline=self.deadline)
        location = f"{self.parts.settings.public_url}{path}?receipt={receipt}"
        return Response(rendering.accepted(**ids), 202, {"Location": location, "Retry-After": str(_POLL_SECONDS)}, "application/json")

    def made(self, body: bytes, path: str, *, replayed: bool) -> Response:
        """201 with the Location of what was made."""
        return Response(body, 201, {"Location": f"{self.parts.settings.public_url}{path}", **_replayed(replayed)}, "application/json")

    def done(self, body: bytes, *, replayed: bool) -> Response:
        return Response(body, 200, _replayed(replayed), "application/json")


def issue(request: Request, parts: Parts, *, caller: str, operation: str, fingerprint: str, key: str | None = None) -> Issued:
    """`caller` scopes the key (idempotency.caller_of, or a guest's); `operation` is method and path template; `key` is a form's own, where
    the request is one (pages/forms.py); 422 for a malformed key."""
    identity = idempotency(caller, operation, key or key_of(request), fingerprint)
    return Issued(parts, request_id_of(request.scope), identity, resource_id(parts.keys, identity), utc_now() + COMMAND_LIFE)


def not_there_yet(parts: Parts, receipt: str | None, polled_id: str, *, caller: str, name: str, request_id: str) -> Response | None:
    """What a Location of a 202 says while there is no record: accepted until the command's deadline is surely over, then that it never
    arrived; None for whoever has no receipt of it. `name`: what the id is called in the answer."""
    deadline = None if receipt is None else receipts.verified_deadline(parts.keys, receipt, resource_id=polled_id, caller=caller)
    if deadline is None:
        return None
    if utc_now() < deadline + receipts.GRACE:
        return Response(rendering.accepted(**{name: polled_id}), media_type="application/json")
    detail = "there is no record of the request: it came too late, or was refused without one; nothing was done"
    refused = Refused(code="not_received", detail=detail, request_id=request_id)
    return Response(rendering.failed(polled_id, refused, name=name), media_type="application/json")


def _replayed(replayed: bool) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if replayed else {}
