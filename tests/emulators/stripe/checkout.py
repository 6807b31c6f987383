"""Checkout Sessions (https://docs.stripe.com/payments/checkout): a page of Stripe's own that makes and confirms one payment intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.emulators.stripe import amounts
from tests.emulators.stripe.account import Account, Shelf
from tests.emulators.stripe.errors import Invalid, Refusal
from tests.emulators.stripe.intents import Intents
from tests.emulators.stripe.objects import Json, PaymentIntent, new_id
from tests.emulators.stripe.parameters import merge_metadata

PAGE_PATH: Final = "/c/pay"
DONE_PATH: Final = "/c/done"
_PLACEHOLDER: Final = "{CHECKOUT_SESSION_ID}"
_DAY_SECONDS: Final = 86_400
_SHORTEST_SECONDS: Final = 1_800
_ITEMS_MAX: Final = 100
_QUANTITY_MAX: Final = 999_999


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    unit_amount: int
    quantity: int


@dataclass(slots=True)
class Session:
    """`intent`: made when the payer first tries to pay. `for_intent`: what it is made with; it inherits nothing of the session's own."""

    id: str
    created: int
    expires_at: int
    items: list[Item]
    currency: str
    success_url: str
    cancel_url: str | None
    metadata: dict[str, str]
    for_intent: Json
    url: str
    echo: Json = field(default_factory=dict)
    status: str = "open"
    payment_status: str = "unpaid"
    intent: str | None = None

    @property
    def amount(self) -> int:
        return sum(item.unit_amount * item.quantity for item in self.items)

    @property
    def success_address(self) -> str:
        return self.success_url.replace(_PLACEHOLDER, self.id)

    def view(self) -> Json:
        return {
            "id": self.id,
            "object": "checkout.session",
            "amount_subtotal": self.amount,
            "amount_total": self.amount,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.echo.get("client_reference_id"),
            "client_secret": None,
            "created": self.created,
            "currency": self.currency,
            "customer": None,
            "customer_email": self.echo.get("customer_email"),
            "expires_at": self.expires_at,
            "livemode": False,
            "locale": self.echo.get("locale"),
            "metadata": dict(self.metadata),
            "mode": "payment",
            "payment_intent": self.intent,
            "payment_status": self.payment_status,
            "status": self.status,
            "success_url": self.success_url,
            "ui_mode": "hosted_page",
            # Only while somebody can still pay there.
            "url": self.url if self.status == "open" else None,
        }


class Checkout:
    def __init__(self, account: Account, intents: Intents) -> None:
        self._account = account
        self._intents = intents
        self.sessions: Shelf[Session] = Shelf("checkout.session")

    def create(self, params: Mapping[str, Any]) -> Session:
        """Refusal."""
        items, currency = _items(params["line_items"])
        now, key = self._account.now(), new_id("cs_test_", 32)
        expires_at = params.get("expires_at", now + _DAY_SECONDS)
        if not now + _SHORTEST_SECONDS <= expires_at <= now + _DAY_SECONDS:
            raise Invalid("The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", param="expires_at")
        for name in ("success_url", "cancel_url"):
            if not params.get(name, "http://").startswith(("http://", "https://")):
                raise Invalid("Not a valid URL", code="url_invalid", param=name)
        session = Session(
            id=key,
            created=now,
            expires_at=expires_at,
            items=items,
            currency=currency,
            success_url=params["success_url"],
            cancel_url=params.get("cancel_url"),
            metadata=merge_metadata({}, params.get("metadata", {})),
            for_intent=dict(params.get("payment_intent_data", {})),
            url=f"{self._account.address()}{PAGE_PATH}/{key}",
            echo={name: params[name] for name in ("client_reference_id", "customer_email", "locale") if name in params},
        )
        amounts.check_currency(currency)
        amounts.check_charge(session.amount, currency)
        return self.sessions.put(session)

    def get(self, key: str) -> Session:
        """As it is now. Refusal: resource_missing."""
        self.expire_due()
        return self.sessions.get(key, "session")

    def expire(self, session: Session) -> Session:
        """Refusal: it is over."""
        if session.status != "open":
            message = (
                f"Only Checkout Sessions with a status in ['open'] can be expired. This Checkout Session has a status of {session.status}."
            )
            raise Refusal(400, message)
        self._expire(session)
        return session

    def expire_due(self) -> None:
        now = self._account.now()
        for session in self.sessions.oldest_first():
            if session.status == "open" and session.expires_at <= now:
                self._expire(session)

    def try_to_pay(self, session: Session, method: str) -> PaymentIntent:
        """The payer's attempt at the page; the intent as it is after. Refusal: 402 when it is declined, 400 when the session is over."""
        if session.status != "open":
            raise Refusal(400, f"This Checkout Session has a status of {session.status}.")
        intent = self._intent_of(session)
        back = f"{self._account.address()}{DONE_PATH}/{session.id}"
        return self._intents.confirm(intent, {"payment_method": method, "return_url": back})

    def heard(self, kind: str, intent: str) -> None:
        """Something became of a payment intent, which may be one of a session's."""
        session = next((one for one in self.sessions.oldest_first() if one.intent == intent), None)
        if session is None:
            return
        paid = kind == "payment_intent.succeeded"
        if session.status == "open" and kind != "payment_intent.payment_failed":
            # A bank that decides later: complete, and not paid.
            session.status, session.payment_status = "complete", "paid" if paid else "unpaid"
            self._account.emit("checkout.session.completed", session.view())
        elif session.status == "complete" and session.payment_status == "unpaid" and kind != "payment_intent.processing":
            session.payment_status = "paid" if paid else "unpaid"
            self._account.emit(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session.view())

    def _expire(self, session: Session) -> None:
        session.status = "expired"
        self._account.emit("checkout.session.expired", session.view())

    def _intent_of(self, session: Session) -> PaymentIntent:
        if session.intent is None:
            money = {"amount": session.amount, "currency": session.currency}
            session.intent = self._intents.create({**session.for_intent, **money}).id
        return self._account.intents.get(session.intent)


def _items(sent: Mapping[str, Mapping[str, Any]]) -> tuple[list[Item], str]:
    """The items, and their one currency. Invalid."""
    if not sent or len(sent) > _ITEMS_MAX:
        raise Invalid(f"You must pass between 1 and {_ITEMS_MAX} line items.", param="line_items")
    items, currencies = [], set()
    for place in sorted(sent, key=int):
        name, one = f"line_items[{place}]", sent[place]
        for needed in ("price_data", "quantity"):
            if needed not in one:
                raise Invalid(f"Missing required param: {name}[{needed}].", code="parameter_missing", param=f"{name}[{needed}]")
        price = one["price_data"]
        for needed in ("currency", "unit_amount", "product_data"):
            if needed not in price:
                whole = f"{name}[price_data][{needed}]"
                raise Invalid(f"Missing required param: {whole}.", code="parameter_missing", param=whole)
        if not 1 <= one["quantity"] <= _QUANTITY_MAX or price["unit_amount"] < 0:
            raise Invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=f"{name}[quantity]")
        items.append(Item(price["product_data"].get("name", ""), price["unit_amount"], one["quantity"]))
        currencies.add(price["currency"])
    if len(currencies) > 1:
        raise Invalid("All line items must have the same currency.", param="line_items")
    return items, currencies.pop()
