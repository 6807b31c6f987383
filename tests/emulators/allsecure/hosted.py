"""The pages that the payer sees: the gateway's own with a button for each thing a payer does, and the bank's 3-D Secure page."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.emulators.allsecure.amounts import amount_text
from tests.emulators.allsecure.gateway import Gateway
from tests.emulators.allsecure.payer import CHOICES, choose, return_url
from tests.emulators.allsecure.transactions import Status, Transaction
from tests.emulators.pages import Button, Form, page

_PAYMENT: Final = (
    Button("pay", "Pay"),
    Button("pay_3ds", "Pay, and the bank asks for 3-D Secure"),
    Button("decline", "Pay, and the bank declines"),
    Button("insufficient_funds", "Pay without enough money"),
    Button("pending", "Pay, and the bank decides later"),
    Button("fail_3ds", "Fail 3-D Secure"),
    Button("cancel", "Cancel"),
    Button("close", "Close the window"),
)
_BANK: Final = (
    Button("pass_3ds", "Confirm"),
    Button("fail_3ds", "Fail"),
    Button("cancel", "Cancel"),
    Button("close", "Close the window"),
)


class Pages:
    """The hosted page of each redirected transaction; who knows its URL is its payer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[Route]:
        path = "/redirect/{uuid}/{page_key}"
        return [Route(path, self._show, methods=["GET"], name="_page"), Route(path, self._chosen, methods=["POST"], name="_page")]

    async def _show(self, request: Request) -> Response:
        transaction = self._find(request)
        return _unknown() if transaction is None else _page_of(transaction)

    async def _chosen(self, request: Request) -> Response:
        transaction = self._find(request)
        if transaction is None:
            return _unknown()
        choice = str((await request.form()).get("choice", ""))
        if choice not in CHOICES:
            return page("Which button?", text="The form was sent without a known choice.", status=400)
        if transaction.status is not Status.REDIRECT:
            # A second click, or a page from the browser's history: sent on to where the first led.
            return self._sent_on(transaction, request)
        after = choose(self._gateway.book, transaction, choice)
        if choice == "close":
            return page("Closed", text="The window is closed. Nothing was decided: the payment can still be paid at the same address.")
        response = self._sent_on(after, request)
        if after.status is not Status.REDIRECT:
            await self._gateway.call_back(after, response)
        return response

    def _sent_on(self, transaction: Transaction, request: Request) -> Response:
        if transaction.status is Status.REDIRECT:
            return RedirectResponse(request.url.path, status_code=303)
        url = return_url(transaction)
        return _page_of(transaction) if url is None else RedirectResponse(url, status_code=302)

    def _find(self, request: Request) -> Transaction | None:
        transaction = self._gateway.book.get(request.path_params["uuid"])
        if transaction is None or transaction.page_key is None:
            return None
        return transaction if hmac.compare_digest(transaction.page_key.encode(), request.path_params["page_key"].encode()) else None


def _page_of(transaction: Transaction) -> Response:
    facts = {"Your order": transaction.reference, "Status": transaction.status.value}
    if transaction.request.currency is not None:
        facts["Amount"] = f"{amount_text(transaction.amount_minor, transaction.request.currency)} {transaction.request.currency}"
    if transaction.request.description is not None:
        facts["Description"] = transaction.request.description
    if transaction.status is not Status.REDIRECT:
        return page("Nothing to pay", text="This payment has been decided.", facts=facts)
    action = f"/redirect/{transaction.uuid}/{transaction.page_key}"
    if transaction.at_3ds:
        return page("3-D Secure", text="Your bank asks whether it is you.", facts=facts, form=Form(action, _BANK))
    return page("Pay by card", text="What does the payer do?", facts=facts, form=Form(action, _PAYMENT))


def _unknown() -> Response:
    return page("Unknown payment", text="There is no payment at this address.", status=404)
