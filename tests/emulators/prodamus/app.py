"""The vendor's addresses: a merchant's page that takes links, the short links, and nothing to refund by or to ask a status of.

    GET, POST /p/{page}/   do=link: a short link as plain text; do=pay: the payment page. Also at `/` with the page's name as Host.
    GET, POST /s/{code}/   a short link; the POST carries the payer's choice

One port serves every page, so a page's name stands in the path where the vendor has it in the domain. What the vendor answers to a link
that it refuses is not known: here 400, and 410 for one that is used up or out of date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ExceptionHandler, Scope

from tests.emulators.admin import admin_routes
from tests.emulators.prodamus import hosted, links
from tests.emulators.prodamus.book import BookFull, Link, PaymentRefused, Status, UnknownReference
from tests.emulators.prodamus.control import ACTIONS
from tests.emulators.prodamus.links import LinkRefused
from tests.emulators.prodamus.php import MAX_FIELDS, FormError, Tree, read_pairs, read_query
from tests.emulators.server import BODY_LIMIT_BYTES

if TYPE_CHECKING:
    from tests.emulators.prodamus.emulator import ProdamusEmulator

_CHOICES: Final[dict[str, Status]] = {"pay": "success", "decline": "order_denied", "cancel": "order_canceled"}
_GONE: Final = 410


def create_app(emulator: ProdamusEmulator) -> Starlette:
    site = _Site(emulator)
    page_routes: list[Route] = []
    for path in ("/", "/p/{page}/"):
        page_routes.append(_LinkRoute(path, site.take_link, methods=["GET", "POST"], name="link"))
        page_routes.append(Route(path, site.take_link, methods=["GET"], name="_page"))
    return Starlette(
        routes=[
            *admin_routes(emulator.control, ACTIONS, emulator.deliveries, emulator.faults),
            *page_routes,
            Route("/s/{code}/", site.open_short, methods=["GET"], name="_short"),
            Route("/s/{code}/", site.choose, methods=["POST"], name="_choose"),
        ],
        middleware=[Middleware(emulator.faults.wrap)],
        exception_handlers={
            UnknownReference: _plain(404),
            FormError: _plain(400),
            BookFull: _plain(503),
            PaymentRefused: lambda _, error: hosted.refused_page(str(error), _GONE),
        },
        max_body_size=BODY_LIMIT_BYTES,
    )


class _LinkRoute(Route):
    """The call of the merchant's own server (do=link), apart from the payer's visit: faults are for the first alone."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if (
            scope["type"] == "http"
            and scope["method"] != "POST"
            and ("do", "link") not in parse_qsl(scope["query_string"].decode("latin-1"))
        ):
            return Match.NONE, {}
        return super().matches(scope)


class _Site:
    def __init__(self, emulator: ProdamusEmulator) -> None:
        self._emulator = emulator

    async def take_link(self, request: Request) -> Response:
        parameters = await _parameters(request)
        name = request.path_params.get("page")
        page = self._emulator.page_of_host(request.headers.get("host", "")) if name is None else self._emulator.book.page(name)
        is_call = parameters.get("do") == "link"
        try:
            link = self._emulator.open(page, parameters)
        except LinkRefused as error:
            return PlainTextResponse(f"{error}\n", 400) if is_call else hosted.refused_page(str(error), 400)
        return PlainTextResponse(self._emulator.short_url(link)) if is_call else self._show(link)

    async def open_short(self, request: Request) -> Response:
        return self._show(self._emulator.book.link(request.path_params["code"]))

    async def choose(self, request: Request) -> Response:
        link = self._emulator.book.link(request.path_params["code"])
        said = await _parameters(request)
        choice = said.get("choice")
        if choice == "contact":
            return self._contact(link, said)
        status = _CHOICES.get(choice) if isinstance(choice, str) else None
        if status is None:
            return hosted.refused_page("No such choice.", 400)
        order = self._emulator.decide(link, status)
        if order.status == "order_denied":
            return RedirectResponse(self._emulator.short_url(link), 303)
        if order.status == "order_canceled":
            return RedirectResponse(link.request.back, 303) if link.request.back else hosted.canceled_page()
        return RedirectResponse(link.request.success, 303) if link.request.success else hosted.paid_page(link)

    def _contact(self, link: Link, said: Tree) -> Response:
        told, email = said.get("customer_phone"), said.get("customer_email")
        phone = links.phone(told) if isinstance(told, str) else None
        if phone is None:
            return hosted.contact_page(link, self._emulator.short_url(link), wrong=told if isinstance(told, str) else "")
        link.phone, link.email = phone, email if isinstance(email, str) else ""
        return RedirectResponse(self._emulator.short_url(link), 303)

    def _show(self, link: Link) -> Response:
        refusal = self._emulator.book.refusal(link, self._emulator.now())
        if refusal:
            return hosted.refused_page(refusal, _GONE)
        action = self._emulator.short_url(link)
        return hosted.payment_page(link, action) if link.phone else hosted.contact_page(link, action)


async def _parameters(request: Request) -> Tree:
    """What was sent: the query of a GET, the form of a POST; files are not read."""
    if request.method != "POST":
        return read_query(request.url.query)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_fields=MAX_FIELDS, max_files=1) as form:
            return read_pairs((name, value) for name, value in form.multi_items() if isinstance(value, str))
    return read_query(await request.body())


def _plain(status: int) -> ExceptionHandler:
    def answer(_: Request, error: Exception) -> Response:
        return PlainTextResponse(f"{error}\n", status)

    return answer
