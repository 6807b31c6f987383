"""The one way in for provider events: verified over the raw bytes, made durable, and only then acknowledged to whoever brought them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter

from services.gateway.signatures.base import Received, SignatureError, VerifiedEvent
from shared.contracts.payment_events import ProviderEventReceived
from shared.delivery.publisher import EnvelopePublisher

_EVENTS: Final = Counter("purser_webhooks_total", "Provider events by what became of them at the edge", ("provider", "outcome"))

Check = Callable[[Received, float], VerifiedEvent]
"""Verifies an event against the provider's keys at a time (unix seconds); SignatureError otherwise."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """`checks`: the providers that are accepted, by name."""

    checks: Mapping[str, Check]
    publisher: EnvelopePublisher[ProviderEventReceived]
    clock: Callable[[], float] = field(default=time.time)

    async def receive(self, provider: str, received: Received, correlation_id: str) -> None:
        """Returns when the broker has the event for good.

        Errors: KeyError for a provider that is not accepted, SignatureError, and those of the publisher (the event may be repeated then).
        """
        try:
            event = self.checks[provider](received, self.clock())
        except SignatureError as error:
            _EVENTS.labels(provider, f"refused_{error}").inc()
            raise
        try:
            await self.publisher.submit(
                ProviderEventReceived(
                    provider=provider, headers=event.headers, body=base64.b64encode(event.body), correlation_id=correlation_id
                )
            )
        except Exception:
            _EVENTS.labels(provider, "not_durable").inc()
            raise
        _EVENTS.labels(provider, "accepted").inc()
