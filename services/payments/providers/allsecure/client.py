"""AllSecure's JSON API v3 over HTTPS: every request signed over its exact bytes, path and date; every wait, retry and answer bounded.

Outside facts (paths, limits, codes): docs/allsecure.md and the sources that it names.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson
import structlog

from services.payments.providers import calls
from services.payments.providers.allsecure.messages import (
    Absent,
    Found,
    Made,
    Refused,
    Silent,
    Unserved,
    status_said,
    transaction_said,
)
from services.payments.providers.allsecure.signing import CONTENT_TYPE, date_text, signature
from shared.contracts.base import utc_now

log = structlog.get_logger(__name__)

NAME: Final = "allsecure"

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 6.0
"""For one request; what is left of CALL_SECONDS is for asking what became of it."""
CALL_SECONDS: Final = 10.0
"""For one operation with its retries and questions."""
RETRIES_MAX: Final = 2
_RETRY_AFTER_MAX_SECONDS: Final = 5.0
_BACKOFF_SECONDS: Final = 0.25
_ANSWER_MAX_BYTES: Final = 1_000_000
_LIMITS: Final = httpx.Limits(max_connections=40, max_keepalive_connections=20, keepalive_expiry=20.0)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of one connector. `base_url` has no slash at its end."""

    base_url: str
    username: str
    api_key: str = field(repr=False)
    password: str = field(repr=False)
    shared_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after_seconds: float | None


class AllSecureClient:
    """One a process and event loop. The seconds are bounds, see the constants; `pause` waits between retries."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        call_seconds: float = CALL_SECONDS,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._answer_seconds = answer_seconds
        self._call_seconds = call_seconds
        self._pause = pause
        self._http = httpx.AsyncClient(
            auth=httpx.BasicAuth(credentials.username, credentials.password),
            timeout=httpx.Timeout(answer_seconds, connect=min(CONNECT_SECONDS, answer_seconds), pool=CONNECT_SECONDS),
            limits=_LIMITS,
            # By no setting of the machine: a proxy would read cards' payments, and a redirect takes the credentials elsewhere.
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )

    async def close(self) -> None:
        await self._http.aclose()

    def until(self) -> float:
        """The end of an operation that begins now, on the loop's clock."""
        return asyncio.get_running_loop().time() + self._call_seconds

    async def transact(self, operation: str, fields: Mapping[str, Any], until: float) -> Made | Refused | Unserved | Silent:
        """Asks for a transaction. Its merchantTransactionId is the key: only what was refused unserved is sent again, unchanged."""
        body = orjson.dumps(fields)
        path = f"/api/v3/transaction/{self._key}/{operation}"
        for attempt in range(RETRIES_MAX + 1):
            answer = await self._exchange("POST", path, body, until)
            said = transaction_said(answer.status, answer.body) if isinstance(answer, _Answer) else answer
            self._note(operation, said)
            wait_seconds = _wait_seconds(answer, said, attempt)
            if wait_seconds is None or asyncio.get_running_loop().time() + wait_seconds >= until:
                break
            await self._pause(wait_seconds)
        return said

    async def ask(self, reference: str, until: float) -> Found | Absent | Silent:
        """The transaction that has this merchantTransactionId. Asked once: questions are counted, and asked again later anyway."""
        path = f"/api/v3/status/{self._key}/getByMerchantTransactionId/{quote(reference, safe='')}"
        answer = await self._exchange("GET", path, b"", until)
        said = status_said(answer.status, answer.body) if isinstance(answer, _Answer) else answer
        self._note("status", said)
        if isinstance(said, Found) and said.reference != reference:
            log.error("AllSecure tells of another transaction than was asked for", asked=reference, told=said.reference[:60])
            return Silent("another transaction")
        return Silent(said.reason) if isinstance(said, Unserved) else said

    @property
    def _key(self) -> str:
        return quote(self._credentials.api_key, safe="")

    async def _exchange(self, method: str, path: str, body: bytes, until: float) -> _Answer | Unserved | Silent:
        ends_at = min(until, asyncio.get_running_loop().time() + self._answer_seconds)
        try:
            async with asyncio.timeout_at(ends_at):
                return await self._send(self._signed(method, path, body))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # There was no connection, so nothing has left.
            return Unserved(f"it cannot be reached ({type(error).__name__})", "unknown")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Silent(type(error).__name__)

    def _signed(self, method: str, path: str, body: bytes) -> httpx.Request:
        date = date_text(utc_now())
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Date": date,
            "X-Date": date,
        }
        request = self._http.build_request(method, f"{self._credentials.base_url}{path}", content=body or None, headers=headers)
        # Of the request as it is built: path and bytes are those that are sent.
        target = request.url.raw_path.decode("ascii")
        request.headers["X-Signature"] = signature(self._credentials.shared_secret, method=method, body=body, date=date, target=target)
        return request

    async def _send(self, request: httpx.Request) -> _Answer | Silent:
        response = await self._http.send(request, stream=True)
        try:
            if "content-encoding" in response.headers:
                return Silent("a compressed answer")
            answer = b""
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > _ANSWER_MAX_BYTES:
                    return Silent("an answer without end")
            return _Answer(response.status_code, answer, _retry_after_seconds(response))
        finally:
            await response.aclose()

    def _note(self, operation: str, said: Made | Refused | Found | Absent | Unserved | Silent) -> None:
        """Neither bodies nor sums: a payer's data may be in them."""
        match said:
            case Made(uuid=uuid, return_type=return_type):
                calls.count(NAME, operation, "ok")
                log.info("AllSecure made a transaction", operation=operation, uuid=uuid, return_type=return_type[:40])
            case Found() | Absent():
                calls.count(NAME, operation, "ok")
            case Refused(problem):
                calls.count(NAME, operation, "refused")
                log.warning("AllSecure refuses a request", operation=operation, code=problem.code, reason=problem.shown)
            case Unserved(reason, outcome):
                calls.count(NAME, operation, outcome)
                if outcome == "credentials":
                    log.error("AllSecure refuses our credentials or our setup, please look", operation=operation, reason=reason)
                else:
                    log.warning("AllSecure does not serve now", operation=operation, reason=reason)
            case Silent(reason):
                calls.count(NAME, operation, "unknown")
                log.warning("AllSecure did not tell", operation=operation, reason=reason)


def _wait_seconds(answer: _Answer | Unserved | Silent, said: object, attempt: int) -> float | None:
    """How long to wait before the same is sent again; None: it is not."""
    if not isinstance(said, Unserved) or said.outcome == "credentials" or attempt >= RETRIES_MAX or not isinstance(answer, _Answer):
        return None
    if answer.retry_after_seconds is None:
        return _BACKOFF_SECONDS * (1 << attempt) * random.uniform(0.5, 1.5)
    return answer.retry_after_seconds if answer.retry_after_seconds <= _RETRY_AFTER_MAX_SECONDS else None


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """Of Retry-After in seconds; its other form, a date, counts as none."""
    text: str = response.headers.get("retry-after", "")
    whole = text.isascii() and text.isdigit() and len(text) <= 6
    return float(text) if whole else None
