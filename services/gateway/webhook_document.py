"""What the OpenAPI document tells about webhooks, which are served before the framework."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.answers import WebhookAnswer
from services.gateway.documentation import operation
from services.gateway.edge import STRIPE_ALIAS, WEBHOOKS_PATH
from services.gateway.webhooks import ANSWERS
from shared.form_bodies import MULTIPART, URLENCODED
from shared.methods import METHODS

_DESCRIPTION: Final = """\
The signature is checked over the bytes as they came; forged, stale or garbled is 400, as are a compressed body, another content type, and a
header that counts but is there twice. The event is durable at the broker before the 200; a 503 asks for a repeat, and repeats are harmless.
A provider is taken when its secret is configured, even while it is off for new payments.

- `stripe`: `Stripe-Signature` by one of the endpoint's secrets, at most 5 minutes old; JSON
- `allsecure`: `X-Signature`, over `X-Date` (or `Date`) and this address as it was told to AllSecure; JSON; answered `OK`
- `prodamus`: `Sign`, over all fields of a multipart or urlencoded form as PHP reads them; answered `success`
- `mock`: the three headers of Standard Webhooks, at most 5 minutes old; JSON
"""

_STRIPE: Final = (("Stripe-Signature", "t=1769860800,v1=14c4f43763339dcb1c15f41a1ff31a94f2f09f8de278f8b4392ca0d7cbcd257e"),)
_ALLSECURE: Final = (
    ("X-Signature", "CBhigUeEObDIpwSI6cjSGUO+RVUF1slgAXtHCVRdDQbDBbB7reP29MCvCV0rmQ4vKvGDPooKwtegs4KicpUU4Q=="),
    ("X-Date", "Fri, 20 Nov 2026 12:00:00 GMT"),
)
_PRODAMUS: Final = (("Sign", "4021ca4f2aad5465fe663f088bfa8ac5d8e40bd3c5aa5a172f3b831f1c403286"),)
_MOCK: Final = (
    ("webhook-id", "evt_0199d3a28f147b0a8c2d11aa52e0f9c4_success"),
    ("webhook-timestamp", "1769860800"),
    ("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
)
_OWN: Final = "The provider's own; verified over its raw bytes."


def webhook_paths() -> dict[str, Any]:
    """The path items of every provider's address and of Stripe's older one."""
    by_provider = {"stripe": _STRIPE, "allsecure": _ALLSECURE, "prodamus": _PRODAMUS, "mock": _MOCK}
    provider = {
        "name": "provider",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": list(METHODS)},
        "example": "mock",
    }
    headers = [_header(name, example, owner) for owner, signed in by_provider.items() for name, example in signed]
    bodies = {kind: {"schema": {"description": _OWN, "type": "object"}} for kind in ("application/json", MULTIPART, URLENCODED)}
    examples = {name: {"value": body.decode()} for name, (kind, body) in ANSWERS.items() if kind == b"text/plain"}
    every = _path_item("receive_provider_event", "A provider's event", _DESCRIPTION, [provider, *headers], bodies)
    every["post"]["responses"]["200"]["content"]["text/plain"] = {"schema": {"type": "string"}, "examples": examples}
    older = f"The same as {WEBHOOKS_PATH}stripe."
    required = [{**_header(name, example, "stripe"), "required": True} for name, example in _STRIPE]
    json_only = {"application/json": bodies["application/json"]}
    return {
        f"{WEBHOOKS_PATH}{{provider}}": every,
        STRIPE_ALIAS: _path_item("receive_stripe_event", "Stripe's event, at its older address", older, required, json_only),
    }


def _header(name: str, example: str, provider: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": f"{provider} only.", "schema": {"type": "string"}, "example": example}


def _path_item(name: str, summary: str, description: str, parameters: list[dict[str, Any]], bodies: dict[str, Any]) -> dict[str, Any]:
    told = operation(
        summary,
        answers={200: (WebhookAnswer, "Durable; a repeat is harmless.")},
        problems=("invalid_signature", "provider_not_found", "request_timeout", "body_too_large", "broker_unavailable"),
        signed_in=False,
        limited=False,
    )
    return {
        "post": {
            "tags": ["webhooks"],
            "summary": summary,
            "description": description,
            "operationId": name,
            "security": [],
            "parameters": parameters,
            "requestBody": {"required": True, "content": bodies},
            "responses": {str(status): answer for status, answer in told["responses"].items()},
        }
    }
