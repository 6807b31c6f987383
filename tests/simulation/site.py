"""The running services as the simulation sees them: requests in somebody's name, and what is told of a book's parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, Final, Self

import httpx
import jwt

from deploy.local.stack import Stack
from shared.contracts.base import utc_now
from tests.flow.people import WAIT_SECONDS

Fact = tuple[str, str]
"""What is looked at (a user's balance, a payment, …), and its id."""

ADMIN: Final = "9"
GUEST: Final = ""
_PATHS: Final = {
    "payment": "/payments/{}",
    "order": "/orders/{}",
    "withdrawal": "/withdrawals/{}",
    "refund": "/payments/{0}/refunds/{1}",
}


class Site:
    """`user` is anybody at all: tokens are made here, with the installation's own secret."""

    def __init__(self, stack: Stack) -> None:
        self._http = httpx.Client(base_url=f"{stack.gateway_url}/api/v1", timeout=2 * WAIT_SECONDS, trust_env=False)
        self._jwt_secret = stack.jwt_secret
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, user: str, method: str, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        headers = {} if user == GUEST else {"Authorization": f"Bearer {self._token(user)}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._http.request(method, path, json=body, headers=headers)

    def look(self, facts: Iterable[Fact], currency: str) -> dict[Fact, Any]:
        """What is told of each now."""
        return {fact: self._look(*fact, currency) for fact in facts}

    def _look(self, kind: str, item_id: str, currency: str) -> Any:
        if kind == "balance":
            balance = self._json(item_id, f"/balance?currency={currency}")
            return balance["available_minor"], balance["held_minor"]
        if kind == "event":
            payment_id, event_id = item_id.split(" ")
            steps = self._json(ADMIN, f"/payments/{payment_id}/timeline")["items"]
            return any((one["step"], one["ids"].get("event_id")) == ("provider_event.stored", event_id) for one in steps)
        if kind == "suspense":
            return sorted((one["reason"], one["amount_minor"], one["status"]) for one in self.items([item_id]))
        told = self._json(ADMIN, _PATHS[kind].format(*item_id.split(" ")))
        if kind == "payment":
            return told["status"], told["refunded_amount_minor"]
        return told["refund_status" if kind == "refund" else "status"]

    def items(self, payment_ids: Collection[str]) -> list[dict[str, Any]]:
        """Of the newest hundred in suspense, those of these payments."""
        return [one for one in self._json(ADMIN, "/suspense?limit=100")["items"] if one["payment_id"] in payment_ids]

    def _json(self, user: str, path: str) -> dict[str, Any]:
        answer = self.ask(user, "GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        told: dict[str, Any] = answer.json()
        return told

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            role = "admin" if user == ADMIN else "mentor" if user.endswith("mentor") else "student"
            expires = utc_now() + timedelta(hours=12)
            claims = {"sub": user, "roles": [role], "locale": "en", "iss": "purser", "aud": "purser", "exp": expires}
            self._tokens[user] = jwt.encode(claims, self._jwt_secret, algorithm="HS256")
        return self._tokens[user]
