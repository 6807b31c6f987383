"""Prodamus' notifications, read: a form whose `order_num` is our session and whose `order_id` is the page's own order, our charge.

Source: help.prodamus.ru, the guide for one's own integration and "Как устроена отправка уведомлений об оплате". There is no event id:
attempts of one notification differ in `attempt`, and so in their signature; the order and its status make the same event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Final
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from services.payments.domain.facts import Closed, Fact, Irrelevant, Paid
from services.payments.providers.base import ProviderEvent
from shared.delivery.errors import Permanent
from shared.money import Money, MoneyError, parse_major
from shared.php_forms import FormError, PhpForm, PhpValue, canonical_json, decode

log = structlog.get_logger(__name__)

DEFAULT_CURRENCY: Final = "rub"
"""The page's own, in notifications that name none."""

SOMETHING_ELSE: Final = " not the one thing that was asked for"
"""No payment's title: none begins with a space."""

_ONE: Final = re.compile(r"0*1(\.0+)?", re.ASCII)

_Text = Annotated[str, StringConstraints(max_length=64)]


class _Order(BaseModel):
    """Whose it is. Names as the page has them: `order_id` is its own number, `order_num` ours."""

    model_config = ConfigDict(hide_input_in_errors=True)
    order_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}\z")]
    order_num: Annotated[str, StringConstraints(max_length=1_000)] = ""
    payment_status: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}\z")]

    @property
    def status(self) -> str:
        return self.payment_status.lower()


class _Payment(BaseModel):
    """What was paid. `currency` may be missing."""

    model_config = ConfigDict(hide_input_in_errors=True)
    sum: _Text
    currency: _Text = ""


def read_event(headers: Mapping[str, str], body: bytes, now: datetime) -> ProviderEvent:
    """The notification in `body`; Permanent when it cannot be read. `now`: taken for its date where that cannot be read."""
    try:
        form = decode(headers.get("content-type", ""), body)
        if "subscription" in form:
            return ProviderEvent(f"subscription:{_digest(form)}", Irrelevant("a subscription's"))
        order = _Order.model_validate(form)
        return ProviderEvent(f"{order.order_id}:{order.status}", _fact(form, order, now))
    except (FormError, ValidationError, MoneyError) as error:
        raise Permanent("not a notification of Prodamus") from error


def _fact(form: PhpForm, order: _Order, now: datetime) -> Fact:
    session_id = _session(order.order_num)
    if session_id is None:
        return Irrelevant("no order of ours")
    happened_at = _moment(form.get("date"), now)
    match order.status:
        case "success":
            money = _money(_Payment.model_validate(form))
            return Paid(session_id, order.order_id, money, happened_at, _title(form.get("products"), money))
        case "order_canceled":
            return Closed(session_id, happened_at)
        case "order_denied":
            return Irrelevant("attempt declined")
        case status:
            log.error("Prodamus tells a status that nobody here knows; please look", status=status, order_id=order.order_id)
            return Irrelevant(f"status {status}")


def _session(order_num: str) -> UUID | None:
    """Ours are UUIDs, written as we write them."""
    try:
        session_id = UUID(order_num)
    except ValueError:
        return None
    return session_id if str(session_id) == order_num else None


def _money(payment: _Payment) -> Money:
    """Exact, or MoneyError."""
    return parse_major(payment.sum, payment.currency or DEFAULT_CURRENCY)


def _title(products: PhpValue | None, money: Money) -> str | None:
    """What was paid for: the one product's name; SOMETHING_ELSE when it is not one piece of one product at the sum that was paid. None: the
    notification does not tell."""
    if not products:
        return None
    lines = list(products.values()) if isinstance(products, dict) else products
    match lines:
        case [{"name": str(name), "price": str(price), "quantity": str(quantity)}] if _ONE.fullmatch(quantity) and _is(price, money):
            return name
        case _:
            return SOMETHING_ELSE


def _is(price: str, money: Money) -> bool:
    try:
        return parse_major(price, money.currency) == money
    except MoneyError:
        return False


def _moment(date: PhpValue | None, now: datetime) -> datetime:
    if not isinstance(date, str):
        return now
    try:
        told = datetime.fromisoformat(date)
        return now if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError):
        return now


def _digest(form: PhpForm) -> str:
    told = {name: value for name, value in form.items() if name != "attempt"}
    return sha256(canonical_json(told)).hexdigest()[:32]
