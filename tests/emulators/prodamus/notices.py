"""What the vendor tells the merchant: a notification's fields, and the signed request of one delivery attempt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from tests.emulators.prodamus.book import Encoding, Order
from tests.emulators.prodamus.links import MOSCOW, cents
from tests.emulators.prodamus.php import Tree, write_pairs, write_query
from tests.emulators.prodamus.signing import sign

Variant: TypeAlias = Literal["plain", "wrong_signature", "missing_header", "upper_case_hex", "demo_key"]
"""How the Sign header is sent: as it should be, or in one of the ways that a receiver has to refuse (or, upper case, to take)."""

VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
# The sheet knows the text of a success alone; the others' are made up.
_DESCRIPTIONS: Final = {"success": "Успешная оплата", "order_denied": "Отказ в оплате", "order_canceled": "Заказ отменён"}
_PAYMENT_TYPES: Final = {"": "Пластиковая карта Visa, MasterCard, МИР", "AC": "Пластиковая карта Visa, MasterCard, МИР", "SBP": "СБП"}
_IN_NAME: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(slots=True)
class Told:
    """How many attempts one address has been told of; a resend by hand counts on where the last delivery stopped."""

    before: int = 0
    newest: int = 0

    def number(self, of_this_delivery: int) -> int:
        number = self.before + of_this_delivery
        self.newest = max(self.newest, number)
        return number

    def resent(self) -> None:
        self.before = self.newest


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification for one address. `fields`: all but `attempt`; they stay what they were when it happened."""

    key: str
    order_id: str
    url: str
    fields: Tree
    signing_key: str
    encoding: Encoding
    variant: Variant
    told: Told


def fields_of(order: Order, status: str) -> Tree:
    """The fields of section 5 of the sheet: `order_num` is the merchant's number, `order_id` the vendor's own."""
    request, page = order.request, order.page
    products: Tree = {
        position: {
            "name": product.name,
            "price": str(product.price),
            "quantity": product.count,
            "sum": str(product.sum),
        }
        for position, product in enumerate(request.products)
    }
    fields: Tree = {
        "date": order.decided_at.astimezone(MOSCOW).isoformat(timespec="seconds"),
        "order_id": order.order_id,
        "order_num": request.order_num,
        "domain": page.domain,
        "sum": str(cents(request.sum)),
        "currency": request.currency,
        "customer_phone": order.phone,
        "customer_email": order.email,
        "customer_extra": request.extra,
        "payment_type": _PAYMENT_TYPES.get(request.payment_method, request.payment_method),
        "payment_init": "manual",
        "commission": str(page.commission_percent),
        "commission_sum": str(cents(request.sum * page.commission_percent / 100)),
        "sys": request.sys,
        "products": products,
        "payment_status": status,
        "payment_status_description": _DESCRIPTIONS.get(status.lower(), status),
    }
    if request.discount:
        fields["discount_value"] = str(request.discount)
    passed_through: Tree = {name: value for name, value in request.passed_through.items() if name not in fields}
    return fields | passed_through


def changed(fields: Tree, values: Mapping[str, str], without: Collection[str]) -> Tree:
    """A notification that says something else than it should, or leaves something out."""
    overridden: Tree = dict(values.items())
    return {name: value for name, value in (fields | overridden).items() if name not in without}


def request_of(notice: Notice, attempt: int, boundary: str, *, forged: bool) -> tuple[dict[str, str], bytes]:
    """Headers and body of one attempt: `attempt` is a field of the body, so that body and signature of every attempt differ."""
    fields = notice.fields | {"attempt": str(attempt)}
    if notice.encoding == "multipart":
        content_type, body = f"multipart/form-data; boundary={boundary}", _multipart(fields, boundary)
    else:
        content_type, body = "application/x-www-form-urlencoded", write_query(fields).encode()
    variant = "wrong_signature" if forged else notice.variant
    headers = {"Content-Type": content_type}
    if variant != "missing_header":
        headers["Sign"] = _signature(fields, notice.signing_key, variant)
    return headers, body


def _signature(fields: Tree, key: str, variant: Variant) -> str:
    match variant:
        case "wrong_signature":
            return sign(fields, key + "?")
        case "upper_case_hex":
            return sign(fields, key).upper()
        case _:
            return sign(fields, key)


def _multipart(fields: Tree, boundary: str) -> bytes:
    lines: list[str] = []
    for name, value in write_pairs(fields):
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name.translate(_IN_NAME)}"', "", value]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()
