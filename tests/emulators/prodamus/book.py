"""The vendor's own book: pages, links and orders, and what each of them allows; pure, in memory, told of time by whoever calls."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from tests.emulators.prodamus.links import LinkRefused, Request, amount, cents, read_request
from tests.emulators.prodamus.php import Tree, signed_json
from tests.emulators.prodamus.signing import DEMO_SUFFIX, is_signed

Status: TypeAlias = Literal["success", "order_denied", "order_canceled"]
Encoding: TypeAlias = Literal["multipart", "urlencoded"]

FIRST_ORDER: Final = 300_155
MAX_LINKS: Final = 20_000
MAX_ORDERS: Final = 50_000
MAX_REFUNDS: Final = 50_000


class UnknownReference(LookupError):
    """The book has no such page, link or order."""


class PaymentRefused(ValueError):
    """The link takes no payment now: it is used up, or out of date, or the payer's phone is missing."""


class BookFull(RuntimeError):
    """A stand-in keeps only so much."""


@dataclass(frozen=True, slots=True)
class Page:
    """One merchant's payment page and what its cabinet has set.

    `name` is its sub-domain. `refuses_unsigned`: whether real pages can be set so is not known.
    `notification_urls`: where the cabinet sends word, unless the link names one of its own (whether both are told then is not known).
    `is_live`: False until the vendor has switched live payments on; the key is another one then.
    `new_order_for_each_try`: False, a declined order keeps its number when it is paid after all; True, the next try has a new one.
    `tells_cancel`: whether the payer's "cancel" is notified.
    """

    name: str
    key: str
    notification_urls: tuple[str, ...] = ()
    refuses_unsigned: bool = False
    is_live: bool = True
    encoding: Encoding = "multipart"
    commission_percent: Decimal = Decimal("3.5")
    new_order_for_each_try: bool = False
    tells_cancel: bool = True

    @property
    def domain(self) -> str:
        return f"{self.name}.payform.ru"

    @property
    def effective_key(self) -> str:
        return self.key if self.is_live else self.key + DEMO_SUFFIX


@dataclass(slots=True)
class Order:
    """The vendor's order: what one payer of a link decided. `order_id` is the vendor's number, `request.order_num` the merchant's."""

    order_id: str
    page: Page
    request: Request
    phone: str
    email: str
    status: Status
    decided_at: datetime
    refunded: Decimal = Decimal(0)


@dataclass(slots=True)
class Link:
    code: str
    page: Page
    request: Request
    phone: str
    email: str
    orders: list[Order] = field(default_factory=list)

    @property
    def payments(self) -> int:
        return sum(order.status == "success" for order in self.orders)


@dataclass(frozen=True, slots=True)
class Charge:
    """Money that was taken. `amount` in decimal major units; a demo payment moved none."""

    reference: str
    charge: str
    amount: str
    currency: str
    status: str
    is_demo: bool
    refunded: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Made by the merchant in the cabinet; nobody is told."""

    refund: str
    charge: str
    amount: str
    currency: str


class Book:
    def __init__(self, pages: tuple[Page, ...], first_order: int = FIRST_ORDER) -> None:
        self._first_order = first_order
        self._pages = {page.name: page for page in pages}
        self._links: dict[str, Link] = {}
        # The same do=pay address is the same link however often it is opened; each do=link answer is one of its own.
        self._opened: dict[tuple[str, str], Link] = {}
        self._of_reference: defaultdict[str, list[Link]] = defaultdict(list)
        self._orders: dict[str, Order] = {}
        self._refunds: list[Refund] = []

    def page(self, name: str) -> Page:
        """By its sub-domain, or by the whole of its domain."""
        page = self._pages.get(name) or self._pages.get(name.removesuffix(".payform.ru"))
        if page is None:
            raise UnknownReference(f"no page is called {name}")
        return page

    def set_page(self, page: Page) -> None:
        """The cabinet's settings: they hold for what is opened and decided from now on."""
        self._pages[page.name] = page

    def pages(self) -> list[Page]:
        return list(self._pages.values())

    def open(self, page: Page, parameters: Tree, code: str, *, as_new: bool = False) -> Link:
        """The link of these parameters; `code` names it if it is new, as every link of do=link is, and any `as_new`.

        LinkRefused: also when a signature is wrong, or missing where one must be.
        """
        signature = parameters.get("signature")
        if signature is None:
            if page.refuses_unsigned:
                raise LinkRefused("signature: required")
        elif not isinstance(signature, str) or not is_signed(parameters, signature, page.effective_key):
            raise LinkRefused("signature: wrong")
        do = parameters.get("do")
        if do not in ("pay", "link"):
            raise LinkRefused("do: must be pay or link")
        request = read_request(parameters)
        same = (page.name, signed_json(parameters))
        if do == "pay" and same in self._opened and not as_new:
            return self._opened[same]
        if len(self._links) >= MAX_LINKS:
            raise BookFull("links")
        link = Link(code, page, request, request.phone, request.email)
        self._links[code] = link
        self._of_reference[request.order_num].append(link)
        if do == "pay":
            self._opened.setdefault(same, link)
        return link

    def link(self, code: str) -> Link:
        found = self._links.get(code)
        if found is None:
            raise UnknownReference(f"no link has the code {code}")
        return found

    def link_of(self, reference: str) -> Link:
        """The newest link that was opened for the merchant's order."""
        links = self._of_reference.get(reference)
        if not links:
            raise UnknownReference(f"nobody has opened a link for {reference}")
        return links[-1]

    def refusal(self, link: Link, now: datetime) -> str:
        """Why the link takes no payment now; "": it takes one."""
        if link.request.expires_at is not None and now >= link.request.expires_at:
            return "This link has expired."
        if link.request.limit is not None and link.payments >= link.request.limit:
            return "This link has been paid."
        return ""

    def decide(self, link: Link, status: Status, now: datetime) -> Order:
        """The payer's decision, under the order that is still undecided or a new one. A demo link's flow may turn paying into a refusal."""
        reason = self.refusal(link, now)
        if reason:
            raise PaymentRefused(reason)
        if not link.phone and status != "order_canceled":
            raise PaymentRefused("The phone is missing.")
        if status == "success" and link.request.is_demo_rejected:
            status = "order_denied"
        page = self._pages[link.page.name]
        last = link.orders[-1] if link.orders else None
        if last is not None and last.status == "order_denied" and not page.new_order_for_each_try:
            last.status, last.decided_at, last.phone, last.email = status, now, link.phone, link.email
            return last
        if len(self._orders) >= MAX_ORDERS:
            raise BookFull("orders")
        order = Order(str(self._first_order + len(self._orders)), page, link.request, link.phone, link.email, status, now)
        link.orders.append(order)
        self._orders[order.order_id] = order
        return order

    def order(self, order_id: str) -> Order:
        found = self._orders.get(order_id)
        if found is None:
            raise UnknownReference(f"no order has the number {order_id}")
        return found

    def orders(self) -> list[Order]:
        return list(self._orders.values())

    def refund(self, order_id: str, told: str | None) -> Refund:
        """The merchant gives back `told` (decimal major units; None: all that is left) in the cabinet. ValueError: more than is left."""
        order = self.order(order_id)
        left = order.request.sum - order.refunded if order.status == "success" else Decimal(0)
        try:
            back = left if told is None else amount(told, "amount")
        except LinkRefused as error:
            raise ValueError(str(error)) from None
        if not 0 < back <= left:
            raise ValueError(f"{left} of order {order_id} can be given back")
        if len(self._refunds) >= MAX_REFUNDS:
            raise BookFull("refunds")
        order.refunded += back
        refund = Refund(f"refund-{len(self._refunds) + 1}", order_id, str(cents(back)), order.request.currency)
        self._refunds.append(refund)
        return refund

    def charges(self) -> list[Charge]:
        return [charge_of(order) for order in self._orders.values() if order.status == "success"]

    def refunds(self) -> list[Refund]:
        return list(self._refunds)


def charge_of(order: Order) -> Charge:
    request = order.request
    return Charge(
        reference=request.order_num,
        charge=order.order_id,
        amount=str(cents(request.sum)),
        currency=request.currency,
        status=order.status,
        is_demo=request.is_demo,
        refunded=str(cents(order.refunded)),
    )
