"""Users, guests and admins of the run: patient clients that repeat the same request with the same key until they have its answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import jwt

from shared.contracts.base import utc_now

GIVE_UP_SECONDS: Final = 120.0
_AGAIN_SECONDS: Final = 0.4
_READ_AGAIN_SECONDS: Final = 0.2


class NoAnswer(AssertionError):
    """Somebody asked for minutes, and was never told."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """Of a problem; "" of anything else."""
        return str(self.body.get("code", "")) if self.status >= 400 else ""


@dataclass(frozen=True, slots=True)
class Callers:
    """Makes callers out of nothing but the secret that tokens are signed with. `trouble`: what they had to be patient about."""

    http: httpx.AsyncClient
    jwt_secret: str
    trouble: Counter[str] = field(default_factory=Counter)

    def user(self, user_id: str, *roles: str) -> Caller:
        exp = utc_now() + timedelta(hours=6)
        claims = {"sub": user_id, "roles": list(roles), "locale": "en", "iss": "purser", "aud": "purser", "exp": exp}
        return Caller(self, user_id, {"Authorization": f"Bearer {jwt.encode(claims, self.jwt_secret, algorithm='HS256')}"})

    def guest(self) -> Caller:
        return Caller(self, "", {})


@dataclass(frozen=True, slots=True)
class Caller:
    callers: Callers
    user_id: str
    headers: dict[str, str] = field(repr=False)

    async def post(self, path: str, body: Any = None, *, bears_seconds: float = GIVE_UP_SECONDS) -> Answer:
        """The final answer, whatever it is. What is under way for longer than `bears_seconds` is told as its 202; NoAnswer when for minutes
        there was not even that."""
        headers = self.headers | {"Idempotency-Key": str(uuid4())}
        return await self._ask("POST", path, body, headers, bears_seconds, _AGAIN_SECONDS)

    async def put(self, path: str, body: Any) -> Answer:
        return await self._ask("PUT", path, body, self.headers, GIVE_UP_SECONDS, _AGAIN_SECONDS)

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path, None, self.headers, GIVE_UP_SECONDS, _READ_AGAIN_SECONDS)

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str], bears_seconds: float, again_seconds: float) -> Answer:
        until = time.monotonic() + bears_seconds
        trouble = self.callers.trouble
        told: Answer | None = None
        while True:
            try:
                response = await self.callers.http.request(method, path, json=body, headers=headers)
                told = Answer(response.status_code, response.json())
                if not _is_in_between(told):
                    return told
                trouble[f"{told.status} {told.code}".strip()] += 1
            except httpx.TransportError as error:
                trouble[type(error).__name__] += 1
            if time.monotonic() > until and told is not None and told.status == 202:
                return told
            if time.monotonic() > until + GIVE_UP_SECONDS:
                raise NoAnswer(f"{method} {path}: {told}")
            await asyncio.sleep(again_seconds)


def _is_in_between(answer: Answer) -> bool:
    """Not the last word: the same request has to be made again."""
    return answer.status in (202, 429, 503) or (answer.status == 409 and answer.code == "idempotency_key_in_use")
