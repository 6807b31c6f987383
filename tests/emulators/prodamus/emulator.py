"""The Prodamus stand-in put together: its book, its notifications, its pages and its controls."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from string import ascii_lowercase, digits
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette

from tests.emulators.deliveries import Attempt, Deliveries, Delivery
from tests.emulators.faults import Faults
from tests.emulators.prodamus.app import create_app
from tests.emulators.prodamus.book import FIRST_ORDER, Book, Link, Order, Page, Status, UnknownReference
from tests.emulators.prodamus.control import Control
from tests.emulators.prodamus.notices import Notice, Told, Variant, changed, fields_of, request_of
from tests.emulators.prodamus.php import Tree, read_query
from tests.emulators.prodamus.signing import DEMO_SUFFIX

_MINUTE: Final = 60.0
_HOUR: Final = 60 * _MINUTE
_STEPS: Final = (_MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR)
RETRY_SECONDS: Final = (*(step for step in _STEPS for _ in range(3)), 12 * _HOUR, 24 * _HOUR)
DEFAULT_PAGE: Final = Page("shop", "prodamus-test-key")
OTHER_PAGE: Final = Page("academy", "another-prodamus-test-key")
_NOTICES_MAX: Final = 20_000
_CODE_LENGTH: Final = 8


class ProdamusEmulator:
    """Payment pages at `{base_url}/p/{name}/` (`page_url`), or at the page's own name as Host (`shop.localhost`, `shop.payform.ru`).

    `pages`: those of the merchants; left out, `shop` and `academy` with test keys.
    `webhooks_to`: the notification URL of every page that has none.
    `first_order`: the vendor's first order has this number.
    `time_scale`: of the vendor's retry waits. `timeout_seconds`: how long a receiver may take (the vendor's own limit is not known).
    `now`: the clock that links expire by.
    """

    def __init__(
        self,
        *,
        pages: Sequence[Page] = (DEFAULT_PAGE, OTHER_PAGE),
        webhooks_to: str | None = None,
        seed: int = 0,
        first_order: int = FIRST_ORDER,
        time_scale: float = 1.0,
        timeout_seconds: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = ""
        self.now = now
        urls = (webhooks_to,) if webhooks_to else ()
        pages_of_book = tuple(replace(page, notification_urls=page.notification_urls or urls) for page in pages)
        self.book = Book(pages_of_book, first_order)
        self.deliveries = Deliveries(
            retry_seconds=RETRY_SECONDS,
            # The status alone: whether the vendor looks at the body is not known.
            accepted=lambda status, _: status == 200,
            timeout_seconds=timeout_seconds,
            time_scale=time_scale,
            seed=seed,
        )
        self.faults = Faults(seed=seed)
        self.control = Control(self)
        self._random = random.Random(seed)
        self._notices: OrderedDict[str, Notice] = OrderedDict()
        self._told = 0
        self.app: Starlette = create_app(self)

    def page_url(self, name: str = DEFAULT_PAGE.name) -> str:
        return f"{self.base_url}/p/{self.book.page(name).name}/"

    def short_url(self, link: Link) -> str:
        return f"{self.base_url}/s/{link.code}/"

    def open(self, page: Page, parameters: Tree, *, as_new: bool = False) -> Link:
        """LinkRefused. `as_new`: another link, even if the same one is known."""
        code = "".join(self._random.choices(ascii_lowercase + digits, k=_CODE_LENGTH))
        return self.book.open(page, parameters, code, as_new=as_new)

    def open_address(self, url: str) -> Link:
        """What a browser does with a link's address: a short one, or one with the page's parameters. UnknownReference, LinkRefused."""
        parts = urlsplit(url)
        steps = [step for step in parts.path.split("/") if step]
        match steps:
            case ["s", code]:
                return self.book.link(code)
            case ["p", name]:
                return self.open(self.book.page(name), read_query(parts.query))
            case []:
                return self.open(self.page_of_host(parts.netloc), read_query(parts.query))
        raise UnknownReference(f"no page is at {parts.path}")

    def page_of_host(self, host: str) -> Page:
        """`shop.payform.ru`, `shop.localhost:8400` → the page `shop`."""
        name = host.partition(":")[0].lower()
        return self.book.page(name.removesuffix(".localhost"))

    def decide(self, link: Link, status: Status) -> Order:
        """The payer's decision and the word of it. PaymentRefused."""
        order = self.book.decide(link, status, self.now())
        if order.status != "order_canceled" or order.page.tells_cancel:
            self.tell(order, order.status)
        return order

    def tell(
        self,
        order: Order,
        status: str,
        *,
        values: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        variant: Variant = "plain",
    ) -> list[str]:
        """Sends word to every address of the order's page, or to the link's own; the deliveries' keys."""
        fields = changed(fields_of(order, status), values or {}, without)
        page = self.book.page(order.page.name)
        urls = (order.request.notify,) if order.request.notify else tuple(dict.fromkeys(page.notification_urls))
        signing_key = page.key + DEMO_SUFFIX if variant == "demo_key" else page.effective_key
        self._told += 1
        keys = []
        for position, url in enumerate(urls):
            key = f"{order.order_id}:{self._told}:{position}"
            notice = Notice(key, order.order_id, url, fields, signing_key, page.encoding, variant, Told())
            self._notices[key] = notice
            if len(self._notices) > _NOTICES_MAX:
                self._notices.popitem(last=False)
            self.deliveries.send(Delivery(key, url, self._signer(notice)))
            keys.append(key)
        return keys

    def resend(self, order_id: str) -> list[str]:
        """The cabinet's "send again": the order's newest word, to each of its addresses; the deliveries' keys."""
        mine = [notice for notice in self._notices.values() if notice.order_id == order_id]
        if not mine:
            raise UnknownReference(f"nothing was told about order {order_id}")
        newest = mine[-1].key.rpartition(":")[0]
        keys = [notice.key for notice in mine if notice.key.rpartition(":")[0] == newest]
        for key in keys:
            self._notices[key].told.resent()
            self.deliveries.resend(key)
        return keys

    def _signer(self, notice: Notice) -> Callable[[Attempt], tuple[Mapping[str, str], bytes]]:
        def signed(attempt: Attempt) -> tuple[Mapping[str, str], bytes]:
            boundary = f"------------------------{self._random.getrandbits(64):016x}"
            return request_of(notice, notice.told.number(attempt.number), boundary, forged=attempt.forged)

        return signed
