"""What a payer or the merchant's cabinet does, for tests to call; the same over HTTP at `/_emulator/control/{name}`.

`reference` is the merchant's own number (`order_id` of its link, `order_num` of the notification), `charge` the vendor's. A link is known
once somebody has opened it: `visit` does that with an address that the merchant gave out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, get_args

from tests.emulators.prodamus.book import Charge, Encoding, Link, Refund, Status, charge_of
from tests.emulators.prodamus.notices import VARIANTS, Variant
from tests.emulators.prodamus.php import Tree

if TYPE_CHECKING:
    from tests.emulators.prodamus.emulator import ProdamusEmulator

A_PHONE: Final = "+79990000000"
ACTIONS: Final = (
    *("visit", "pay", "decline", "cancel", "close", "pay_again", "pay_tampered", "expire"),
    *("refund_elsewhere", "tell", "resend", "set_page", "charges", "orders", "refunds", "disputes", "payouts"),
)
_SETTINGS: Final = (
    "notification_urls",
    "refuses_unsigned",
    "is_live",
    "encoding",
    "commission_percent",
    "new_order_for_each_try",
    "tells_cancel",
)


class Control:
    def __init__(self, emulator: ProdamusEmulator) -> None:
        self._emulator = emulator

    async def visit(self, url: str) -> str:
        """The payer opens the address that the merchant gave out; the merchant's own number on it. ValueError: the page refuses it."""
        return self._emulator.open_address(url).request.order_num

    async def pay(self, reference: str, phone: str = A_PHONE) -> Charge:
        """At the newest link of this order; one with demoFlow=reject is declined. `phone`: what the payer says when asked.

        ValueError: the link takes no payment.
        """
        return self._decided(reference, "success", phone)

    async def decline(self, reference: str, phone: str = A_PHONE) -> Charge:
        """The bank refuses; the link can still be paid."""
        return self._decided(reference, "order_denied", phone)

    async def cancel(self, reference: str) -> Charge:
        """The payer goes back to the shop."""
        return self._decided(reference, "order_canceled", "")

    async def close(self, reference: str) -> None:
        """The payer closes the window: nothing happens, nothing is told."""
        self._emulator.book.link_of(reference)

    async def pay_again(self, reference: str) -> Charge:
        """The same order paid by another link of its own, which `payments_limit` does not stop."""
        return self._decide(self._another_link(reference, {}), "success", A_PHONE)

    async def pay_tampered(self, reference: str, price: str) -> Charge:
        """The payer takes the signature off, names a price of their own for the first product, and pays.

        ValueError: the page refuses unsigned links.
        """
        parameters = self._emulator.book.link_of(reference).request.parameters
        products = parameters["products"]
        assert isinstance(products, dict)
        first, line = next(iter(products.items()))
        assert isinstance(line, dict)
        changes: Tree = {"products": products | {first: line | {"price": price}}}
        return self._decide(self._another_link(reference, changes), "success", A_PHONE)

    async def expire(self, reference: str) -> None:
        """The newest link of this order is out of date from now on."""
        link = self._emulator.book.link_of(reference)
        link.request = replace(link.request, expires_at=self._emulator.now())

    async def refund_elsewhere(self, charge: str, amount: str | None = None) -> Refund:
        """The merchant gives money back in the cabinet, and nobody is told. `amount`: decimal major units; None: all that is left.

        ValueError: too much.
        """
        return self._emulator.book.refund(charge, amount)

    async def tell(
        self,
        charge: str,
        status: str | None = None,
        values: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        variant: Variant = "plain",
    ) -> list[str]:
        """One more notification of this order: of any payment_status (None: its own), other texts, fields left out, an odd Sign.

        `variant`: plain, wrong_signature, missing_header, upper_case_hex, demo_key. The deliveries' keys, one an address.
        """
        if variant not in VARIANTS:
            raise ValueError(f"variant is one of {', '.join(VARIANTS)}")
        order = self._emulator.book.order(charge)
        return self._emulator.tell(order, status or order.status, values=values, without=without, variant=variant)

    async def resend(self, charge: str) -> list[str]:
        """The cabinet's "send again"; `attempt` counts on. The deliveries' keys."""
        return self._emulator.resend(charge)

    async def set_page(self, page: str, **settings: Any) -> None:
        """The cabinet's settings (fields of Page, all but its name and its key). ValueError: no such setting."""
        for name in settings:
            if name not in _SETTINGS:
                raise ValueError(f"no such setting; there are {', '.join(_SETTINGS)}")
        if settings.get("encoding", "multipart") not in get_args(Encoding):
            raise ValueError(f"encoding is one of {', '.join(get_args(Encoding))}")
        if "notification_urls" in settings:
            settings["notification_urls"] = tuple(settings["notification_urls"])
        if "commission_percent" in settings:
            settings["commission_percent"] = Decimal(str(settings["commission_percent"]))
        self._emulator.book.set_page(replace(self._emulator.book.page(page), **settings))

    def charges(self) -> list[Charge]:
        """The vendor's own book: money that was taken."""
        return self._emulator.book.charges()

    def orders(self) -> list[Charge]:
        """Everything that payers decided, taken or not."""
        return [charge_of(order) for order in self._emulator.book.orders()]

    def refunds(self) -> list[Refund]:
        return self._emulator.book.refunds()

    def disputes(self) -> list[object]:
        """The vendor tells a merchant of none."""
        return []

    def payouts(self) -> list[object]:
        """The vendor makes none."""
        return []

    def _decided(self, reference: str, status: Status, phone: str) -> Charge:
        return self._decide(self._emulator.book.link_of(reference), status, phone)

    def _decide(self, link: Link, status: Status, phone: str) -> Charge:
        link.phone = link.phone or phone
        return charge_of(self._emulator.decide(link, status))

    def _another_link(self, reference: str, changes: Tree) -> Link:
        link = self._emulator.book.link_of(reference)
        parameters = link.request.parameters
        if changes:
            # A payer can do this: the parameters stand in the address, and without a signature the page takes any.
            parameters = {name: value for name, value in (parameters | changes).items() if name != "signature"}
        return self._emulator.open(self._emulator.book.page(link.page.name), parameters, as_new=True)
