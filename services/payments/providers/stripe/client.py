"""Asks Stripe by its official library: our timeouts, our bounded retries under the same key, and four ways in which it can end."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

import httpx
import orjson
import stripe
import structlog
from pydantic import BaseModel, ValidationError

from services.payments.providers import calls

log = structlog.get_logger(__name__)

NAME: Final = "stripe"

API_VERSION: Final = "2026-10-28.endive"
"""What our requests and the readers of its answers are written for; the version of the webhook endpoint at Stripe has to be the same."""

CALL_SECONDS: Final = 10.0
"""For one call with all of its retries."""

_CONNECT_SECONDS: Final = 3.0
_RETRIES_MAX: Final = 2
_FIRST_DELAY_SECONDS: Final = 0.5
_RETRY_AFTER_MAX_SECONDS: Final = 5.0
_ANSWER_LIMIT_BYTES: Final = 1_048_576
_CONNECTIONS_MAX: Final = 20
_LIVE_KEYS: Final = ("sk_live_", "rk_live_")
_NO_OBJECT: Final = orjson.dumps({"error": {"type": "api_error", "message": "no object of Stripe's"}})

Answer = TypeVar("Answer", bound=BaseModel)


class SaidNo(Exception):
    """Stripe refuses the request for what it asks: nothing was done. `code` is Stripe's, for machines; its text is for developers."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotServed(Exception):
    """Refused before any effect: too many requests, or a key that may not do this. The text may be shown."""


class NoAnswer(Exception):
    """Nothing is known of what became of it. `kept`: Stripe keeps its failure as the answer to this key, so that repeating is no use."""

    def __init__(self, *, kept: bool = False) -> None:
        super().__init__("Stripe did not tell")
        self.kept = kept


class StripeApi:
    """One a process and event loop. `live`: its key moves real money. `transport`: in place of the network, for tests."""

    def __init__(self, api_key: str, api_base: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        # The library's own settings hold for the process. Its telemetry writes a file into the home directory, and its debug log has the
        # bodies, with client secrets and addresses.
        stripe.enable_telemetry = False
        logging.getLogger("stripe").setLevel(logging.WARNING)
        if os.environ.get("STRIPE_LOG"):
            log.error("STRIPE_LOG makes Stripe's library print client secrets and addresses to stderr: unset it")
        self.live = api_key.startswith(_LIVE_KEYS)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(CALL_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX // 2),
            # Bodies are bounded as they come; small ones gain nothing by being packed.
            headers={"accept-encoding": "identity"},
            follow_redirects=False,
            # HTTP_PROXY and its kin, .netrc and SSL_CERT_FILE of the environment do not apply: what is asked goes where the settings say.
            trust_env=False,
            transport=transport,
        )
        self.v1 = stripe.StripeClient(
            api_key,
            http_client=_Transport(self._http),
            base_addresses={"api": api_base},
            stripe_version=API_VERSION,
            max_network_retries=0,
        ).v1

    async def close(self) -> None:
        await self._http.aclose()

    async def call(
        self, operation: str, answer: type[Answer], request: Callable[[], Awaitable[stripe.StripeObject]], **about: object
    ) -> Answer:
        """The answer to `request`, which has to carry the same key each time; `about` is for the log. SaidNo, NotServed, NoAnswer."""
        attempt = _Attempts(operation, about, asyncio.get_running_loop().time() + CALL_SECONDS)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                while True:
                    try:
                        return attempt.told(answer, await request())
                    except stripe.StripeError as error:
                        await asyncio.sleep(attempt.failed(error))
        except TimeoutError:
            attempt.fail("unknown", "out of time")


class _Attempts:
    """The attempts at one call so far: whether another one is worth it, and what may be said at the end."""

    def __init__(self, operation: str, about: Mapping[str, object], deadline: float) -> None:
        self._operation = operation
        self._about = about
        self._deadline = deadline
        self._retries = 0
        self._silent = False

    def told(self, answer: type[Answer], told: stripe.StripeObject) -> Answer:
        try:
            read = answer.model_validate(told.to_dict())
        except ValidationError as error:
            # The places, not the values: those are the payer's.
            self.fail("unknown", "unreadable", places=[".".join(map(str, one["loc"])) for one in error.errors()][:5])
        calls.count(NAME, self._operation, "ok")
        return read

    def failed(self, error: stripe.StripeError) -> float:
        """The seconds after which to try again; else it raises what the call has come to."""
        status, code = error.http_status or 0, _code(error)
        details: dict[str, Any] = {"status": status, "code": code, "stripe_request": error.request_id}
        outcome: calls.Outcome = "rate_limited" if isinstance(error, stripe.RateLimitError) else "unknown"
        match status:
            case 401 | 403:
                # The alert: nothing of Stripe's works until somebody sees to the key.
                log.error("Stripe refuses our key", operation=self._operation, **details, **self._about)
                self.fail("credentials", "Stripe does not accept our key", **details)
            case 400 if isinstance(error, stripe.IdempotencyError):
                log.error("Stripe knows this key with other parameters", operation=self._operation, **details, **self._about)
                self.fail("unknown", "key in use for something else", **details)
            case 400 | 402 | 404 if outcome != "rate_limited" and (error.headers or {}).get("stripe-should-retry") != "true":
                calls.count(NAME, self._operation, "refused")
                log.warning("Stripe refuses a request", operation=self._operation, **details, **self._about)
                raise SaidNo(code) from error
        self._silent = self._silent or outcome == "unknown"
        kept = status >= 500 and error.headers is not None and error.headers.get("idempotent-replayed") == "true"
        delay_seconds = self._delay_seconds(error)
        if self._retries == _RETRIES_MAX or kept or delay_seconds is None:
            self.fail(outcome, "too many requests" if outcome == "rate_limited" else "no answer", kept=kept, **details)
        calls.count(NAME, self._operation, outcome)
        self._retries += 1
        return delay_seconds

    def fail(self, outcome: calls.Outcome, reason: str, *, kept: bool = False, **details: object) -> NoReturn:
        calls.count(NAME, self._operation, outcome)
        log.warning("Stripe did not serve a request", operation=self._operation, reason=reason, **details, **self._about)
        # An earlier attempt without an answer may have had its effect.
        if self._silent or outcome == "unknown":
            raise NoAnswer(kept=kept)
        raise NotServed(reason)

    def _delay_seconds(self, error: stripe.StripeError) -> float | None:
        """None: it should not be tried again, or there is no time left for it."""
        headers = error.headers or {}
        if headers.get("stripe-should-retry") == "false":
            return None
        delay_seconds = _FIRST_DELAY_SECONDS * 2**self._retries * random.uniform(0.5, 1.0)
        asked = headers.get("retry-after", "")
        if asked.isascii() and asked.isdigit():
            if len(asked) > 3 or int(asked) > _RETRY_AFTER_MAX_SECONDS:
                return None
            delay_seconds += int(asked)
        return delay_seconds if asyncio.get_running_loop().time() + delay_seconds < self._deadline else None


class _Transport(stripe.HTTPClient):
    """The library's own one keeps its client to itself, with the environment's proxies and answers of any size."""

    name = "httpx"

    def __init__(self, client: httpx.AsyncClient) -> None:
        super().__init__()
        self._client = client

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            async with self._client.stream(method, url, headers=dict(headers), content=post_data) as response:
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _ANSWER_LIMIT_BYTES:
                        raise _silence("the answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silence(type(error).__name__) from error
        return _readable(body, response.status_code), response.status_code, response.headers


def _readable(body: bytes, status: int) -> bytes:
    """The body, if it is an object of Stripe's, or what stands for one: the library loses the headers of what it cannot read, and might
    take the page of something in between for Stripe's own no."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict) and (200 <= status < 300 or isinstance(parsed.get("error"), dict)):
        return body
    if status in (401, 403, 409, 429) or status >= 500:
        return _NO_OBJECT
    raise _silence("the answer is no object of Stripe's")


def _silence(why: str) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(why)  # type: ignore[no-untyped-call]


def _code(error: stripe.StripeError) -> str:
    """The error's own code; else its kind."""
    body = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    code = (told.get("code") or told.get("type")) if isinstance(told, dict) else None
    return code[:100] if isinstance(code, str) else type(error).__name__
