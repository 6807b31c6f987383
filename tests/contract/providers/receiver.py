"""The gateway's webhook road on a port of its own: signature checked over the raw bytes, durable (kept here), only then answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.types import Receive, Scope, Send

from services.gateway.ingress import Check, Ingress
from services.gateway.webhooks import Webhooks
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery.errors import BrokerUnavailable
from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults

BODY_LIMIT_BYTES = 262_144


@dataclass
class Inbox:
    """Stands for the broker: what is in it has been acknowledged. `down`: it takes nothing."""

    messages: list[ProviderEventReceived] = field(default_factory=list)
    down: bool = False

    async def submit(self, message: ProviderEventReceived) -> None:
        if self.down:
            raise BrokerUnavailable("down")
        self.messages.append(message)


class Receiver:
    """Looks like an emulator to EmulatorServer, so that it can be served the same way."""

    def __init__(self) -> None:
        self.base_url = ""
        self.inbox = Inbox()
        self.checks: dict[str, Check] = {}
        self.deliveries = Deliveries(retry_seconds=(), accepted=lambda *_: True)
        self.faults = Faults()
        publisher: Any = self.inbox
        self._webhooks = Webhooks(Ingress(self.checks, publisher), BODY_LIMIT_BYTES)
        self.app: Any = self._answer

    def url(self, provider: str) -> str:
        return f"{self.base_url}/api/v1/webhooks/{provider}"

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._webhooks({**scope, "purser.request_id": "webhook-1"}, receive, send)
