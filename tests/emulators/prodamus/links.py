"""What a payment link asks for: its parameters read and checked, or refused with the reason that the page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from tests.emulators.prodamus.php import Tree

# Which zone `link_expired` is told in is not documented; Moscow's, whose clock has stood at +3 since 2014, is presumed.
MOSCOW: Final = timezone(timedelta(hours=3))
CURRENCIES: Final = ("rub", "usd", "eur", "kzt")
# What the sheet does not know well enough to imitate: refused, so that nobody builds on it.
NOT_EMULATED: Final = ("subscription", "type", "callbackType")
MAX_PRODUCTS: Final = 100
_CENT: Final = Decimal("0.01")
_AMOUNT: Final = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,2})?", re.ASCII)
_PHONE: Final = re.compile(r"\+?[0-9]{7,15}", re.ASCII)
_EXPIRY_FORMATS: Final = ("%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M")
_PASSED_THROUGH: Final = ("_param_", "utm_")
_ECHOED: Final = ("vk_user_id", "vk_user_name", "ref")


class LinkRefused(ValueError):
    """The page does not take this link; the text is what it says to the payer."""


@dataclass(frozen=True, slots=True)
class Product:
    name: str
    price: Decimal
    quantity: Decimal

    @property
    def sum(self) -> Decimal:
        return cents(self.price * self.quantity)

    @property
    def count(self) -> str:
        """The quantity as the vendor writes it: 2, not 2.00."""
        return f"{self.quantity.normalize():f}"


@dataclass(frozen=True, slots=True)
class Request:
    """A link's parameters.

    `order_num`: the merchant's own number, "" if none. `notify`: the link's own notification URL, "" without `sys`.
    """

    order_num: str
    products: tuple[Product, ...]
    discount: Decimal
    currency: str
    phone: str
    email: str
    extra: str
    sys: str
    notify: str
    success: str
    back: str
    paid_content: str
    payment_method: str
    limit: int | None
    expires_at: datetime | None
    is_demo: bool
    is_demo_rejected: bool
    passed_through: Mapping[str, str]
    parameters: Tree

    @property
    def sum(self) -> Decimal:
        return sum((product.sum for product in self.products), Decimal(0)) - self.discount


def read_request(parameters: Tree) -> Request:
    """LinkRefused: what is required is missing, or what is there cannot be read."""
    for name in NOT_EMULATED:
        if name in parameters:
            raise LinkRefused(f"{name}: not emulated")
    sys = _text(parameters, "sys")
    is_demo = _text(parameters, "demo_mode") == "1"
    request = Request(
        order_num=_text(parameters, "order_id"),
        products=_products(parameters.get("products")),
        discount=amount(_text(parameters, "discount_value") or "0", "discount_value"),
        currency=_text(parameters, "currency") or CURRENCIES[0],
        phone=phone(_text(parameters, "customer_phone")) or "",
        email=_text(parameters, "customer_email"),
        extra=_text(parameters, "customer_extra"),
        sys=sys,
        # Without the integration's code the page does not look at the link's own notification URL.
        notify=_url(parameters, "urlNotification") if sys else "",
        success=_url(parameters, "urlSuccess"),
        back=_url(parameters, "urlReturn"),
        paid_content=_text(parameters, "paid_content"),
        payment_method=_text(parameters, "payment_method"),
        limit=_limit(_text(parameters, "payments_limit")),
        expires_at=_expiry(_text(parameters, "link_expired")),
        is_demo=is_demo,
        is_demo_rejected=is_demo and _text(parameters, "demoFlow") == "reject",
        passed_through={
            key: value
            for key, value in parameters.items()
            if isinstance(key, str) and isinstance(value, str) and (key.startswith(_PASSED_THROUGH) or key in _ECHOED)
        },
        parameters=parameters,
    )
    if request.currency not in CURRENCIES:
        raise LinkRefused("currency: unknown")
    if request.sum <= 0:
        raise LinkRefused("the sum must be more than nothing")
    total = _text(parameters, "order_sum")
    if total and amount(total, "order_sum") not in (request.sum, request.sum + request.discount):
        raise LinkRefused("order_sum: not the sum of the products")
    return request


def amount(text: str, name: str) -> Decimal:
    """Decimal major units; LinkRefused naming the parameter."""
    if not _AMOUNT.fullmatch(text):
        raise LinkRefused(f"{name}: not an amount")
    return Decimal(text).quantize(_CENT)


def cents(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


def phone(text: str) -> str | None:
    """The phone in the form in which the page keeps it; None: the payer must be asked."""
    plain = re.sub(r"[ ()-]", "", text)
    return plain if _PHONE.fullmatch(plain) else None


def _text(parameters: Tree, name: str) -> str:
    value = parameters.get(name, "")
    if not isinstance(value, str):
        raise LinkRefused(f"{name}: must be a text")
    return value


def _url(parameters: Tree, name: str) -> str:
    url = _text(parameters, name)
    if url and not url.startswith(("http://", "https://")):
        raise LinkRefused(f"{name}: must be a web address")
    return url


def _products(told: str | Tree | None) -> tuple[Product, ...]:
    if not isinstance(told, dict) or not told:
        raise LinkRefused("products: required")
    if len(told) > MAX_PRODUCTS:
        raise LinkRefused("products: too many")
    products = []
    for line in told.values():
        if not isinstance(line, dict) or not _text(line, "name"):
            raise LinkRefused("products: each has a name, a price and a quantity")
        quantity = amount(_text(line, "quantity"), "quantity")
        if not quantity:
            raise LinkRefused("quantity: must be more than nothing")
        products.append(Product(_text(line, "name"), amount(_text(line, "price"), "price"), quantity))
    return tuple(products)


def _limit(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text, re.ASCII):
        raise LinkRefused("payments_limit: not a number of payments")
    return int(text)


def _expiry(text: str) -> datetime | None:
    if not text:
        return None
    for form in _EXPIRY_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=MOSCOW)
        except ValueError:
            continue
    raise LinkRefused("link_expired: neither dd.mm.yyyy hh:mm nor yyyy-mm-dd hh:mm")
