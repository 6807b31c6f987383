"""Snapshot events, the webhook endpoints that are told of them, and their secrets (https://docs.stripe.com/webhooks)."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.emulators.deliveries import Attempt, Delivery
from tests.emulators.stripe.errors import Refusal, missing
from tests.emulators.stripe.objects import API_VERSION, Json, new_id
from tests.emulators.stripe.signing import signature_header

_KEPT_MAX: Final = 100_000
_ENDPOINTS_MAX: Final = 16
_SECRETS_MAX: Final = 4
_HEADERS: Final = {
    "content-type": "application/json; charset=utf-8",
    "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "accept": "*/*; q=0.5, application/xml",
    "cache-control": "no-cache",
}


@dataclass(slots=True)
class Secret:
    """`until`: unix seconds; None: for good."""

    value: str
    until: float | None = None


@dataclass(slots=True)
class Endpoint:
    """`secrets`: the newest first; several while one is being rolled."""

    id: str
    url: str
    enabled_events: list[str]
    api_version: str | None
    created: int
    secrets: list[Secret]
    description: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    enabled: bool = True

    def view(self) -> Json:
        return {
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": None,
            "created": self.created,
            "description": self.description,
            "enabled_events": list(self.enabled_events),
            "livemode": False,
            "metadata": dict(self.metadata),
            "status": "enabled" if self.enabled else "disabled",
            "url": self.url,
        }

    def wants(self, kind: str) -> bool:
        return self.enabled and ("*" in self.enabled_events or kind in self.enabled_events)

    def valid_secrets(self, at: float) -> list[str]:
        return [secret.value for secret in self.secrets if secret.until is None or at < secret.until]


@dataclass(slots=True)
class Event:
    """`data`: the object as it was then. `waiting`: ids of endpoints that have not accepted it."""

    id: str
    kind: str
    created: int
    data: Json
    request_id: str | None
    idempotency_key: str | None
    waiting: set[str] = field(default_factory=set)

    def view(self, api_version: str | None = None) -> Json:
        return {
            "id": self.id,
            "object": "event",
            "api_version": api_version or API_VERSION,
            "created": self.created,
            "data": self.data,
            "livemode": False,
            "pending_webhooks": len(self.waiting),
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": self.kind,
        }


class Events:
    """`send` takes each delivery. `twins`: so many more Event objects, with ids of their own, tell of each change."""

    def __init__(self, now: Callable[[], int], send: Callable[[Delivery], None]) -> None:
        self._now = now
        self._send = send
        self._events: OrderedDict[str, Event] = OrderedDict()
        self._cause: tuple[str | None, str | None] = (None, None)
        self.endpoints: dict[str, Endpoint] = {}
        self.twins = 0

    def emit(self, kind: str, shown: Json, previous: Json | None = None) -> None:
        """Keeps the event, or several, and has it delivered to every endpoint that wants it."""
        data = {"object": shown} if previous is None else {"object": shown, "previous_attributes": previous}
        for _ in range(1 + self.twins):
            event = Event(new_id("evt_1"), kind, self._now(), copy.deepcopy(data), *self._cause)
            self._events[event.id] = event
            if len(self._events) > _KEPT_MAX:
                self._events.popitem(last=False)
            told = [endpoint for endpoint in self.endpoints.values() if endpoint.wants(kind)]
            event.waiting = {endpoint.id for endpoint in told}
            for endpoint in told:
                self._send(self._delivery(event, endpoint))

    @contextmanager
    def caused_by(self, request_id: str, idempotency_key: str | None) -> Iterator[None]:
        """What happens inside was asked for by this request; otherwise it happened by itself."""
        self._cause = (request_id, idempotency_key)
        try:
            yield
        finally:
            self._cause = (None, None)

    def get(self, key: str) -> Event:
        """Refusal: resource_missing."""
        if key not in self._events:
            raise missing("event", key)
        return self._events[key]

    def oldest_first(self) -> list[Event]:
        return list(self._events.values())

    def delivery_keys(self, event_id: str) -> list[str]:
        """By which Deliveries knows the event's deliveries, one an endpoint."""
        self.get(event_id)
        return [_delivery_key(event_id, endpoint) for endpoint in self.endpoints.values()]

    def add_endpoint(self, url: str, enabled_events: list[str], api_version: str | None, secret: str) -> Endpoint:
        """Refusal: sixteen are the most."""
        if len(self.endpoints) >= _ENDPOINTS_MAX:
            raise Refusal(400, f"You have reached the maximum of {_ENDPOINTS_MAX} test webhook endpoints.")
        endpoint = Endpoint(new_id("we_1"), url, enabled_events, api_version, self._now(), [Secret(secret)])
        self.endpoints[endpoint.id] = endpoint
        return endpoint

    def endpoint(self, key: str) -> Endpoint:
        """Refusal: resource_missing."""
        if key not in self.endpoints:
            raise missing("webhook endpoint", key)
        return self.endpoints[key]

    def roll(self, endpoint: Endpoint, overlap_seconds: float) -> str:
        """A new secret; the ones before go on being signed with for so long."""
        until = self._now() + overlap_seconds
        for secret in endpoint.secrets:
            secret.until = until if secret.until is None else min(secret.until, until)
        fresh = Secret(new_id("whsec_", 32))
        endpoint.secrets = [fresh, *endpoint.secrets][:_SECRETS_MAX]
        return fresh.value

    def _delivery(self, event: Event, endpoint: Endpoint) -> Delivery:
        def sign(attempt: Attempt) -> tuple[Mapping[str, str], bytes]:
            # Indented, as Stripe sends it: whoever verifies a copy written anew fails.
            body = json.dumps(event.view(endpoint.api_version), indent=2, ensure_ascii=False).encode()
            secrets = [new_id("whsec_", 32)] if attempt.forged else endpoint.valid_secrets(self._now())
            return _HEADERS | {"stripe-signature": signature_header(body, secrets, int(attempt.at))}, body

        def done(accepted: bool) -> None:
            if accepted:
                event.waiting.discard(endpoint.id)

        return Delivery(_delivery_key(event.id, endpoint), endpoint.url, sign, done)


def _delivery_key(event_id: str, endpoint: Endpoint) -> str:
    return f"{event_id}:{endpoint.id}"
