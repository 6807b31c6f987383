"""Kiosk's stand-in: its API, its page to click, its notifications, and the controls of the book behind them."""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.contract.providers.kiosk import book as books
from tests.contract.providers.kiosk.book import Book, Dispute, No, Payment, Refund
from tests.contract.providers.kiosk.control import ACTIONS, Control
from tests.contract.providers.kiosk.signing import signed
from tests.emulators.admin import admin_routes
from tests.emulators.deliveries import Attempt, Deliveries, Delivery
from tests.emulators.faults import Fault, Faults
from tests.emulators.pages import Button, Form, page
from tests.emulators.server import BODY_LIMIT_BYTES

API_KEY: Final = "kiosk-key-of-the-tests"
SECRET: Final = "kiosk-notification-secret-of-the-tests"
RETRY_SECONDS: Final = (10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0)

_TEXT_MAX: Final = 500
_REFERENCE_MAX: Final = 64
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})
_BUTTONS: Final = (
    Button("pay", "Pay"),
    Button("pay_3ds", "Pay, and the bank asks for 3-D Secure"),
    Button("decline", "Pay, and the bank declines"),
    Button("cancel", "Back to the shop"),
    Button("close", "Close the window"),
)
_BANK: Final = (Button("pay", "Confirm"), Button("fail_3ds", "Fail"), Button("close", "Close the window"))


class KioskEmulator:
    """Serve it with EmulatorServer. `webhooks_to`: where notifications go, whatever notify_url says; without it, to notify_urls on this
    machine. `time_scale`: of the waits between attempts. `control` does what payers and Kiosk's own people do."""

    def __init__(
        self, *, key: str = API_KEY, secret: str = SECRET, webhooks_to: str | None = None, seed: int = 0, time_scale: float = 1.0
    ) -> None:
        self.base_url = ""
        self.book = Book()
        self.deliveries = Deliveries(
            retry_seconds=RETRY_SECONDS, accepted=lambda status, _: 200 <= status < 300, time_scale=time_scale, seed=seed
        )
        self.faults = Faults(seed=seed, answer=_fault_answer)
        self.control = Control(self)
        self._key = key
        self._secret = secret
        self._webhooks_to = webhooks_to
        self._random = random.Random(seed)
        self.app = Starlette(
            routes=[
                Route("/payments", self._create_payment, methods=["POST"], name="create_payment"),
                Route("/payments/{reference}", self._get_payment, methods=["GET"], name="get_payment"),
                Route("/payments/{reference}/cancel", self._cancel_payment, methods=["POST"], name="cancel_payment"),
                Route("/refunds", self._create_refund, methods=["POST"], name="create_refund"),
                Route("/refunds/{reference}", self._get_refund, methods=["GET"], name="get_refund"),
                Route("/pay/{page}", self._show_page, methods=["GET"], name="_page"),
                Route("/pay/{page}", self._choose, methods=["POST"], name="_page"),
                *admin_routes(self.control, ACTIONS, self.deliveries, self.faults),
            ],
            middleware=[Middleware(self.faults.wrap)],
            exception_handlers={No: _refused},
            max_body_size=BODY_LIMIT_BYTES,
        )

    def now(self) -> datetime:
        return datetime.now(UTC)

    def notify(self, kind: str, payment: Payment, about: Payment | Refund | Dispute) -> None:
        """Sends word of it until it is taken."""
        key = self.book.next_id("notification")
        told = {"id": key, "type": kind, "at": self.now().isoformat(), "about": self._shown(about)}
        body = json.dumps(told).encode()
        url = self._webhooks_to or payment.notify_url
        if self._webhooks_to is None and urlsplit(url).hostname not in _LOOPBACK:
            return

        def sign(attempt: Attempt) -> tuple[Mapping[str, str], bytes]:
            return signed(body, self._secret, attempt), body

        self.deliveries.send(Delivery(key, url, sign))

    # ---- the API

    async def _create_payment(self, request: Request) -> Response:
        said = await self._said(request)
        payment, is_new = self.book.open(
            Payment(
                id=self.book.next_id("payment"),
                reference=_text(said, "reference", _REFERENCE_MAX),
                page=f"{self._random.getrandbits(128):032x}",
                amount=books.read_amount(said.get("amount"), said.get("currency")),
                currency=said["currency"],
                description=_text(said, "description", _TEXT_MAX),
                return_url=_text(said, "return_url", _TEXT_MAX),
                notify_url=_text(said, "notify_url", _TEXT_MAX),
                state="open",
                changed_at=self.now(),
            )
        )
        return JSONResponse(self._shown(payment), 201 if is_new else 200)

    async def _get_payment(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse(self._shown(self.book.payment(request.path_params["reference"])))

    async def _cancel_payment(self, request: Request) -> Response:
        self._authorize(request)
        payment, ended = self.book.cancel(request.path_params["reference"], self.now())
        if ended:
            self.notify("payment.cancelled", payment, payment)
        return JSONResponse(self._shown(payment))

    async def _create_refund(self, request: Request) -> Response:
        said = await self._said(request)
        payment = self.book.payments.get(_text(said, "payment", _REFERENCE_MAX))
        if payment is None:
            raise No(422, "no_such_payment")
        amount = books.read_amount(said.get("amount"), payment.currency)
        refund, is_new = self.control.make_refund(payment, amount, _text(said, "reference", _REFERENCE_MAX))
        return JSONResponse(self._shown(refund), 201 if is_new else 200)

    async def _get_refund(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse(self._shown(self.book.found_refund(request.path_params["reference"])))

    def _authorize(self, request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {self._key}".encode()):
            raise No(401, "key_not_accepted")

    async def _said(self, request: Request) -> dict[str, Any]:
        self._authorize(request)
        try:
            said = json.loads(await request.body())
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise No(422, "not_json")
        return said

    def _shown(self, one: Payment | Refund | Dispute) -> dict[str, Any]:
        told: dict[str, Any] = {"id": one.id, "amount": str(one.amount), "currency": one.currency, "changed_at": one.changed_at.isoformat()}
        match one:
            case Payment():
                return told | {"reference": one.reference, "state": one.state, "pay_url": f"{self.base_url}/pay/{one.page}"}
            case Refund():
                return told | {"reference": one.reference, "payment": one.payment, "state": one.state, "reason": one.reason}
            case Dispute():
                return told | {"payment": one.payment}

    # ---- the payer's page

    async def _show_page(self, request: Request) -> Response:
        payment = self._of_page(request)
        return _unknown() if payment is None else _page_of(payment)

    async def _choose(self, request: Request) -> Response:
        payment = self._of_page(request)
        if payment is None:
            return _unknown()
        choice = str((await request.form()).get("choice", ""))
        if payment.state != "open":
            return RedirectResponse(payment.return_url, 303)
        match choice:
            case "pay":
                await self.control.pay(payment.reference)
            case "pay_3ds":
                self.book.send_to_bank(payment, at_bank=True)
                return RedirectResponse(request.url.path, 303)
            case "decline" | "fail_3ds":
                await self.control.decline(payment.reference)
                return RedirectResponse(request.url.path, 303)
            case "cancel":
                await self.control.cancel(payment.reference)
            case "close":
                return page("Closed", text="The window is closed. The payment can still be paid at the same address.")
            case _:
                return page("Which button?", text="The form was sent without a known choice.", status=400)
        return RedirectResponse(payment.return_url, 303)

    def _of_page(self, request: Request) -> Payment | None:
        secret = request.path_params["page"]
        return next((one for one in self.book.payments.values() if hmac.compare_digest(one.page.encode(), secret.encode())), None)


def _page_of(payment: Payment) -> Response:
    facts = {"Your order": payment.description, "Amount": f"{payment.amount} {payment.currency}", "State": payment.state}
    action = f"/pay/{payment.page}"
    if payment.state != "open":
        return page("Nothing to pay", text="This payment has been decided.", facts=facts)
    if payment.at_bank:
        return page("3-D Secure", text="Your bank asks whether it is you.", facts=facts, form=Form(action, _BANK))
    return page("Pay at Kiosk", text="What does the payer do?", facts=facts, form=Form(action, _BUTTONS))


def _unknown() -> Response:
    return page("Unknown payment", text="There is no payment at this address.", status=404)


def _fault_answer(fault: Fault) -> Response:
    """As the proxy before Kiosk answers: a page, not Kiosk's own JSON. Option `retry_after`: seconds, of 429."""
    status = int(fault.kind[:3])
    if status == 429:
        return JSONResponse({"error": "too_many_requests"}, status, {"Retry-After": fault.options.get("retry_after", "1")})
    return Response("<html><body>Bad day</body></html>", status, media_type="text/html")


async def _refused(_: Request, no: Exception) -> Response:
    assert isinstance(no, No)
    return JSONResponse({"error": no.code}, no.status)


def _text(said: Mapping[str, Any], name: str, longest: int) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise No(422, f"{name}_not_taken")
    return value
