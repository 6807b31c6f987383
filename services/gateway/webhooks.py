"""POST /api/v1/webhooks/{provider} as bare ASGI: read the bytes, verify them, make them durable, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send

from services.gateway.bodies import read_bounded
from services.gateway.edge import WEBHOOKS_PATH, request_id_of
from services.gateway.ingress import Ingress
from services.gateway.problems import Problem, problem_response
from services.gateway.signatures.base import Received, SignatureError
from shared.delivery.errors import DeliveryError

log = structlog.get_logger(__name__)

_TAKEN: Final = (b"application/json", b'{"status":"success"}')
"""For providers that look at the status only."""

# What some want to read besides before they stop repeating an event.
ANSWERS: Final[dict[str, tuple[bytes, bytes]]] = {
    "allsecure": (b"text/plain", b"OK"),
    "prodamus": (b"text/plain", b"success"),
}


@dataclass(frozen=True, slots=True)
class Webhooks:
    ingress: Ingress
    body_limit_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        provider = scope["path"].removeprefix(WEBHOOKS_PATH)
        try:
            if provider not in self.ingress.checks:
                raise Problem("provider_not_found", "no such provider, or it is not configured")
            if scope["method"] != "POST":
                raise Problem("method_not_allowed", "webhooks are posted", headers={"Allow": "POST"})
            await self._take(provider, scope, receive)
        except Problem as problem:
            await problem_response(problem, request_id_of(scope))(scope, receive, send)
        else:
            kind, body = ANSWERS.get(provider, _TAKEN)
            headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _take(self, provider: str, scope: Scope, receive: Receive) -> None:
        body = await read_bounded(scope, receive, self.body_limit_bytes)
        received = Received(scope["headers"], body, scope["query_string"])
        try:
            await self.ingress.receive(provider, received, request_id_of(scope))
        except SignatureError as error:
            log.warning("webhook refused", provider=provider, reason=str(error))
            raise Problem("invalid_signature", "the event is forged, stale or garbled; nothing was kept") from error
        except DeliveryError as error:
            log.warning("webhook not made durable; the provider repeats it", provider=provider, error=type(error).__name__)
            raise Problem("broker_unavailable", "the event could not be made durable; send it again") from error
