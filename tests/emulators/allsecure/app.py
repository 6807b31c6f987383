"""The JSON v3 API over HTTP: authentication, content type, signature, limits, then transaction calls and the status API."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.emulators.allsecure.answers import answer, refusal, status_answer
from tests.emulators.allsecure.connectors import Connector
from tests.emulators.allsecure.gateway import Gateway
from tests.emulators.allsecure.limits import Window
from tests.emulators.allsecure.signing import BodyHash, read_date, signed_by
from tests.emulators.allsecure.transactions import METHODS, Refusal, Status
from tests.emulators.allsecure.validation import VALIDATION, read_request
from tests.emulators.faults import Fault

_GENERAL: Final = 1000
_SIGNATURE: Final = 1004
_SYSTEM: Final = 1008
_TOO_MANY: Final = 1009
_MAINTENANCE: Final = 1010
_NOT_FOUND: Final = 8001
_JSON: Final = re.compile(r"application/json(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)


class Api:
    """The endpoints. `routes()` names each by the gateway's own word, by which faults find it; both questions of status are `status`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[Route]:
        calls = [Route(f"/api/v3/transaction/{{api_key}}/{name}", self._transact, methods=["POST"], name=name) for name in METHODS]
        questions = [
            Route(f"/api/v3/status/{{api_key}}/{by}/{{wanted}}", self._status, methods=["GET"], name="status")
            for by in ("getByUuid", "getByMerchantTransactionId")
        ]
        return calls + questions

    async def _transact(self, request: Request) -> Response:
        gateway = self._gateway
        body = await request.body()
        try:
            connector = self._connector(request)
            if _JSON.fullmatch(request.headers.get("content-type", "")) is None:
                raise Refusal(VALIDATION, "Content-Type is not application/json")
            body_hash = self._body_hash(request, connector, body)
            self._within(gateway.per_connector, connector.api_key)
            asked = read_request(METHODS[request.scope["path"].rpartition("/")[2]], body)
            if asked.currency is not None and connector.currencies and asked.currency not in connector.currencies:
                raise Refusal(VALIDATION, "the connector does not have this currency")
            transaction = gateway.book.submit(connector.api_key, asked, body_hash, asks_3ds=gateway.behaviour.asks_3ds)
        except Refusal as refused:
            return self._refused(refused)
        told = JSONResponse(answer(transaction, gateway.behaviour, gateway.redirect_url(transaction)))
        if transaction.status is not Status.REDIRECT:
            await gateway.call_back(transaction, told)
        return told

    async def _status(self, request: Request) -> Response:
        gateway = self._gateway
        wanted: str = request.path_params["wanted"]
        try:
            connector = self._connector(request)
            self._body_hash(request, connector, b"")
            self._within(gateway.per_user, connector.username)
            if "/getByUuid/" in request.scope["path"]:
                transaction = gateway.book.get(wanted)
            else:
                transaction = gateway.book.find(connector.api_key, wanted)
            asked_of = transaction.reference if transaction is not None else wanted
            self._within(gateway.per_transaction, f"{connector.api_key} {asked_of}")
            if transaction is None or transaction.connector != connector.api_key:
                raise Refusal(_NOT_FOUND, "Transaction not found")
        except Refusal as refused:
            return self._refused(refused)
        return JSONResponse(status_answer(transaction, gateway.behaviour, gateway.book))

    def _connector(self, request: Request) -> Connector:
        """The connector that the path names, if the credentials are its own. HTTPException 401; Refusal."""
        if self._gateway.behaviour.maintenance:
            raise Refusal(_MAINTENANCE, "The system is undergoing maintenance")
        user = _basic(request.headers.get("authorization", ""))
        theirs = [one for one in self._gateway.connectors.values() if user is not None and _is_user(one, *user)]
        if not theirs:
            raise HTTPException(401, headers={"WWW-Authenticate": 'Basic realm="gateway"'})
        for connector in theirs:
            if connector.api_key == request.path_params["api_key"]:
                return connector
        raise Refusal(_GENERAL, "Invalid API key")

    def _body_hash(self, request: Request, connector: Connector, body: bytes) -> BodyHash:
        """Which hash the request was signed with; callbacks will be as well. Refusal with code 1004."""
        headers = request.headers
        signature = headers.get("x-signature")
        if signature is None:
            if connector.demands_signature:
                raise Refusal(_SIGNATURE, "The signature is missing")
            return BodyHash.SHA512
        date = headers.get("x-date", headers.get("date", ""))
        query = request.scope["query_string"]
        target = request.scope["raw_path"] + (b"?" + query if query else b"")
        body_hash = signed_by(
            connector.shared_secret,
            signature,
            method=request.method,
            body=body,
            content_type=headers.get("content-type", ""),
            date=date,
            target=target.decode("latin-1"),
            allows_md5=connector.allows_md5,
        )
        if body_hash is None:
            raise Refusal(_SIGNATURE, "The signature is wrong")
        skew_seconds = self._gateway.behaviour.skew_seconds
        moment = read_date(date)
        if moment is None or (skew_seconds is not None and abs((self._gateway.clock() - moment).total_seconds()) > skew_seconds):
            raise Refusal(_SIGNATURE, "The date is missing, or too far from now")
        return body_hash

    def _within(self, window: Window | None, key: str) -> None:
        wait_seconds = None if window is None else window.retry_after_seconds(key, self._gateway.clock().timestamp())
        if window is not None and wait_seconds is not None:
            raise TooMany(window.limit, wait_seconds)

    def _refused(self, refused: Refusal) -> Response:
        if isinstance(refused, TooMany):
            return refused.response()
        behaviour = self._gateway.behaviour
        statuses = {_NOT_FOUND: behaviour.unknown_status, _MAINTENANCE: 503, _SYSTEM: 500}
        status = statuses.get(refused.code, behaviour.refusal_status)
        return JSONResponse(refusal(refused.code, refused.message), status_code=status)


class TooMany(Refusal):
    """A rate limit is reached: HTTP 429. Code 1009 is one of the two that may be sent again with the same id."""

    def __init__(self, limit: int, retry_after_seconds: int) -> None:
        super().__init__(_TOO_MANY, "Rate limit exceeded")
        self._headers = {"X-RateLimit-Limit": str(limit), "Retry-After": str(retry_after_seconds)}

    def response(self) -> Response:
        return JSONResponse(refusal(self.code, self.message), status_code=429, headers=self._headers)


def fault_answer(fault: Fault) -> Response:
    """The body that the gateway, or the proxy before it, gives with a fault's status. Option `retry_after`: seconds, of 429."""
    status = int(fault.kind[:3])
    match status:
        case 429:
            return TooMany(60, int(fault.options.get("retry_after", "1"))).response()
        case 500:
            return JSONResponse(refusal(_SYSTEM, "System error occurred"), status_code=status)
        case 503:
            return JSONResponse(refusal(_MAINTENANCE, "The system is undergoing maintenance"), status_code=status)
        case _:
            return PlainTextResponse("<html><body><h1>504 Gateway Time-out</h1></body></html>", status_code=status, media_type="text/html")


async def refuse_http(_: Request, error: Exception) -> Response:
    """What no endpoint answers (401, 404, 405, 413), in the top-level error form."""
    assert isinstance(error, HTTPException)
    return JSONResponse(refusal(_GENERAL, error.detail), status_code=error.status_code, headers=error.headers)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (username, password) if colon else None


def _is_user(connector: Connector, username: str, password: str) -> bool:
    return connector.username == username and hmac.compare_digest(connector.password.encode(), password.encode())
