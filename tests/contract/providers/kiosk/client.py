"""Asks Kiosk over HTTPS: every wait, retry and answer bounded, and four ways in which a request can end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from services.payments.providers import calls

log = structlog.get_logger(__name__)

NAME: Final = "kiosk"

CALL_SECONDS: Final = 10.0
"""For one call with all of its retries."""

_CONNECT_SECONDS: Final = 3.0
_TRIES: Final = 3
"""Of what somebody waits for. Questions are asked once: they come again anyway, and providers count them."""

_FIRST_PAUSE_SECONDS: Final = 0.25
_RETRY_AFTER_MAX_SECONDS: Final = 5.0
_ANSWER_LIMIT_BYTES: Final = 1_000_000
_LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=10)

Answer = TypeVar("Answer", bound=BaseModel)


class SaysNo(Exception):
    """Kiosk will not do it, and has done nothing; the text is its code."""


class NotServed(Exception):
    """Refused before any effect: too many requests, or a key that it does not accept."""


class NoWord(Exception):
    """Nothing tells what became of it."""


class _Refusal(BaseModel):
    error: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came of one attempt; `status` 0: nothing."""

    status: int = 0
    body: bytes = b""
    wait: str = ""


class KioskClient:
    """One a process and event loop. `url` has no slash at its end."""

    def __init__(self, url: str, key: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {key}", "accept-encoding": "identity"},
            timeout=httpx.Timeout(CALL_SECONDS, connect=_CONNECT_SECONDS),
            limits=_LIMITS,
            # Where a request goes is the settings' to say: no redirect and no proxy of the machine takes the key elsewhere.
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def question(self, operation: str, answer: type[Answer], path: str) -> Answer:
        """SaysNo, NotServed, NoWord."""
        return await self._ask(operation, answer, "GET", path, None, tries=1)

    async def request(self, operation: str, answer: type[Answer], path: str, said: Mapping[str, str]) -> Answer:
        """Repeated as it is where nothing was told: Kiosk's references make that one request. SaysNo, NotServed, NoWord."""
        return await self._ask(operation, answer, "POST", path, said, tries=_TRIES)

    async def _ask(
        self, operation: str, answer: type[Answer], method: str, path: str, said: Mapping[str, str] | None, *, tries: int
    ) -> Answer:
        until = asyncio.get_running_loop().time() + CALL_SECONDS
        doubtful = False
        for tried in range(1, tries + 1):
            sent = await self._send(method, path, said, until)
            read = _read(sent, answer)
            if isinstance(read, BaseModel):
                calls.count(NAME, operation, "ok")
                return read
            if read == "refused":
                calls.count(NAME, operation, "refused")
                raise SaysNo(_Refusal.model_validate_json(sent.body).error[:100])
            calls.count(NAME, operation, read)
            if read == "credentials":
                log.error("Kiosk does not accept our key, please look", operation=operation)
            doubtful = doubtful or read == "unknown"
            if read == "credentials" or tried == tries or not await _paused(sent, tried, until):
                break
        log.warning("Kiosk does not answer", operation=operation, status=sent.status)
        # An attempt that nobody answered may have had its effect, whatever was said after it.
        raise NoWord if doubtful else NotServed(f"it refuses to serve ({read})")

    async def _send(self, method: str, path: str, said: Mapping[str, str] | None, until: float) -> _Sent:
        try:
            async with asyncio.timeout_at(until), self._http.stream(method, path, json=said) as response:
                body = b""
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _ANSWER_LIMIT_BYTES:
                        return _Sent()
                return _Sent(status=response.status_code, body=body, wait=response.headers.get("retry-after", ""))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return _Sent()


def _read(sent: _Sent, answer: type[Answer]) -> Answer | calls.Outcome:
    """Only Kiosk's own words count: the page of a proxy between us says nothing, whatever its status."""
    try:
        if sent.status in (200, 201):
            return answer.model_validate_json(sent.body)
        if sent.status in (404, 409, 422):
            _Refusal.model_validate_json(sent.body)
            return "refused"
    except ValidationError:
        return "unknown"
    if sent.status == 429:
        return "rate_limited"
    return "credentials" if sent.status in (401, 403) else "unknown"


async def _paused(sent: _Sent, tried: int, until: float) -> bool:
    """Waits as long as Kiosk asked, else a little longer each time; False, at once, where that is too long."""
    asked = sent.wait.isascii() and sent.wait.isdigit() and len(sent.wait) < 6
    seconds = float(sent.wait) if asked else _FIRST_PAUSE_SECONDS * 2 ** (tried - 1)
    seconds += random.uniform(0, _FIRST_PAUSE_SECONDS)
    if seconds > _RETRY_AFTER_MAX_SECONDS or asyncio.get_running_loop().time() + seconds >= until:
        return False
    await asyncio.sleep(seconds)
    return True
