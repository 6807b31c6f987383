"""The authorization table: every operation of the gateway, and the status that each of the eight callers gets. Statuses as the contract
says; where one of an allowed caller is not 2xx, the row says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.flow.authorization_world import (
    BANK,
    ORDER,
    PRICE_MINOR,
    SESSION,
    SIGNED_IN,
    TRANSFER,
    USER_IDS,
    Ids,
    Who,
    World,
    a_coaching_session,
    a_deposit,
    a_paid_deposit,
    a_paid_order,
    a_paid_session_payment,
    a_product,
    a_refund,
    a_refundable_payment,
    a_session_paid_for,
    a_session_payment,
    a_suspense_item,
    a_transfer,
    a_withdrawal,
    a_withdrawal_of_the_admin,
    an_order,
    the_stylesheet,
)

Answers = Mapping[Who, int]


@dataclass(frozen=True)
class Row:
    """`path` is the document's template; it, `query` and `body` are filled from the ids that `of` makes. What an allowed caller may use
    up is made anew for each who is (`fresh`)."""

    method: str
    path: str
    answers: Answers
    of: Callable[[World], Awaitable[Ids]] | None = None
    fresh: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    why: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}" + (f" ({self.why})" if self.why else "")

    @property
    def operation(self) -> tuple[str, str]:
        return self.method, self.path


def anybody(status: int) -> Answers:
    """No one is asked who they are."""
    return dict.fromkeys(Who, status)


def signed_in(status: int, **others: int) -> Answers:
    """Whoever has a good token; `others`: the exceptions, by the member's name in lower case."""
    answers = dict.fromkeys(Who, 401) | dict.fromkeys(SIGNED_IN, status)
    return answers | {Who[name.upper()]: other for name, other in others.items()}


def guests_too(status: int) -> Answers:
    """No token is needed, but one that is sent must be good."""
    return {**anybody(status), Who.EXPIRED: 401, Who.FORGED: 401}


def page(status: int, **others: int) -> Answers:
    """As signed_in(), but nobody is sent to log in first."""
    return {**signed_in(status, **others), Who.NOBODY: 303}


def form(status: int, **others: int) -> Answers:
    """As signed_in(), but nobody lacks the token that a page of ours puts into its form; a bearer token needs none."""
    return {**signed_in(status, **others), Who.NOBODY: 403}


ADMINS: Final = signed_in(403, admin=200)
PAYER: Final = signed_in(404, owner=200, admin=200)
PAYER_NOT_MENTOR: Final = signed_in(404, owner=200, admin=200, mentor=403)
PAYER_AND_MENTOR: Final = signed_in(404, owner=200, admin=200, mentor=200)
DECIDES: Final = signed_in(404, owner=403, admin=200)
TOO_SOON: Final = signed_in(404, owner=403, admin=409)


async def provider(_: World) -> Ids:
    return {"provider": "mock"}


def in_english(of: Callable[[World], Awaitable[Ids]] | None = None) -> Callable[[World], Awaitable[Ids]]:
    async def make(world: World) -> Ids:
        return {"locale": "en", **({} if of is None else await of(world))}

    make.__name__ = f"in_english_{of.__name__ if of else ''}"
    return make


SESSION_ID: Final = {"session_id": "{session_id}"}
PAYMENT_ID: Final = {"payment_id": "{payment_id}"}
TOP_UP: Final = {"amount": "1", "currency": "rsd", "method": "mock", "idempotency_key": "k"}
BY_MOCK: Final = {"method": "mock", "price_minor": str(PRICE_MINOR), "currency": "usd", "idempotency_key": "k"}
SUCCESS: Final = {"session_id": "{session_id}", "outcome": "success"}

ROWS: Final = (
    # identity
    Row("POST", "/api/v1/auth/login", anybody(200), body={"login": "testuser", "password": "testuser"}),
    Row("POST", "/api/v1/auth/logout", anybody(200)),
    Row("POST", "/api/v1/auth/session", signed_in(200)),
    Row("DELETE", "/api/v1/auth/session", anybody(204)),
    Row("GET", "/api/v1/me", signed_in(200)),
    Row("GET", "/api/v1/config", anybody(200)),
    # balance
    Row("GET", "/api/v1/balance", signed_in(200)),
    Row("GET", "/api/v1/balances", signed_in(200)),
    Row("GET", "/api/v1/balance/transactions", signed_in(200)),
    Row("GET", "/api/v1/balance/transactions.csv", signed_in(200)),
    Row("POST", "/api/v1/balance/deposit", signed_in(201), body={"amount": 1, "currency": "rsd", "method": "mock"}),
    Row(
        "POST", "/api/v1/balance/mock/complete", signed_in(404, owner=200), a_deposit, fresh=True, body=SESSION_ID
    ),
    Row("POST", "/api/v1/stream/ticket", signed_in(200)),
    # withdrawals
    Row("GET", "/api/v1/balance/withdrawals", signed_in(200)),
    Row(
        "POST", "/api/v1/balance/withdraw", signed_in(409), body={"amount": 10**9, "currency": "eur", "destination": BANK},
        why="nobody has that much",
    ),
    Row("GET", "/api/v1/withdrawals", ADMINS),
    Row("GET", "/api/v1/withdrawals/{withdrawal_id}", PAYER, a_withdrawal),
    Row("POST", "/api/v1/withdrawals/{withdrawal_id}/approve", DECIDES, a_withdrawal, fresh=True),
    Row("POST", "/api/v1/withdrawals/{withdrawal_id}/reject", DECIDES, a_withdrawal, fresh=True, body={"reason": "a test"}),
    Row("POST", "/api/v1/withdrawals/{withdrawal_id}/cancel", signed_in(404, owner=200, admin=403), a_withdrawal, fresh=True),
    Row("POST", "/api/v1/withdrawals/{withdrawal_id}/mark-paid", TOO_SOON, a_withdrawal, body={"reference": "1"}, why="not by hand"),
    Row("POST", "/api/v1/withdrawals/{withdrawal_id}/mark-failed", TOO_SOON, a_withdrawal, body={"reason": "a test"}, why="not by hand"),
    Row("POST", "/api/v1/withdrawals/{withdrawal_id}/mark-returned", TOO_SOON, a_withdrawal, body={"reference": "1"}, why="not by hand"),
    Row(
        "POST", "/api/v1/withdrawals/{withdrawal_id}/resolve", TOO_SOON, a_withdrawal,
        body={"outcome": "paid", "reference": "1", "reason": "a test"}, why="its outcome is not unknown",
    ),
    Row(
        "POST", "/api/v1/withdrawals/{withdrawal_id}/approve", signed_in(404, admin=403), a_withdrawal_of_the_admin,
        why="nobody decides on their own",
    ),
    Row(
        "POST", "/api/v1/withdrawals/{withdrawal_id}/reject", signed_in(404, admin=403), a_withdrawal_of_the_admin,
        body={"reason": "a test"}, why="nobody decides on their own",
    ),
    # transfers
    Row("POST", "/api/v1/transfers", signed_in(403, admin=201), a_paid_deposit, fresh=True, body=TRANSFER),
    Row("GET", "/api/v1/transfers/{transfer_id}", signed_in(404, owner=200, other=200, admin=200), a_transfer),
    # coaching sessions
    Row("GET", "/api/v1/sessions/{session_id}", signed_in(200), a_coaching_session),
    Row("PUT", "/api/v1/sessions/{session_id}", signed_in(403, mentor=200, admin=200), a_coaching_session, body=SESSION),
    # payments
    Row(
        "POST", "/api/v1/payments/create-intent", signed_in(201, mentor=422),
        body={"amount": PRICE_MINOR, "currency": "usd", "session_id": 1, "mentor_id": USER_IDS[Who.MENTOR], "method": "mock"},
        why="a mentor does not pay for their own session",
    ),
    Row("GET", "/api/v1/payments/history", signed_in(200)),
    Row("GET", "/api/v1/payments/history", ADMINS, query={"all": "true"}, why="everyone's"),
    Row("GET", "/api/v1/payments/{payment_id}", PAYER_AND_MENTOR, a_paid_session_payment),
    Row("GET", "/api/v1/payments/{payment_id}", PAYER, a_deposit, why="a top-up has no mentor"),
    Row("GET", "/api/v1/payments/{payment_id}/timeline", PAYER_AND_MENTOR, a_paid_session_payment),
    Row("POST", "/api/v1/payments/confirm/{payment_id}", PAYER_NOT_MENTOR, a_session_payment, fresh=True),
    Row("POST", "/api/v1/payments/confirm/{payment_id}", PAYER, a_paid_deposit, why="a top-up has no mentor"),
    Row("POST", "/api/v1/payments/{payment_id}/cancel", PAYER_NOT_MENTOR, a_session_payment, fresh=True),
    # refunds
    Row(
        "POST", "/api/v1/payments/refund/{payment_id}", signed_in(404, owner=403, mentor=201, admin=201), a_paid_session_payment,
        body={"amount": 1},
    ),
    Row(
        "POST", "/api/v1/payments/refund/{payment_id}", signed_in(404, owner=403, admin=201), a_paid_deposit, body={"amount": 1},
        why="a top-up has no mentor",
    ),
    Row(
        "POST", "/api/v1/payments/refund/{payment_id}", signed_in(404, owner=403, mentor=403, admin=201), a_paid_session_payment,
        body={"amount": 1, "force": True}, why="force is an admin's",
    ),
    Row("GET", "/api/v1/payments/{payment_id}/refunds", PAYER_AND_MENTOR, a_refund),
    Row("GET", "/api/v1/payments/{payment_id}/refunds/{refund_id}", PAYER_AND_MENTOR, a_refund),
    Row(
        "POST", "/api/v1/payments/refund/{payment_id}", signed_in(404, owner=403, mentor=403, admin=201), a_paid_session_payment,
        body={"amount": 1, "manual_reference": "BANK-1"}, why="by hand is an admin's",
    ),
    # orders: whoever knows an order's id may ask for it
    Row("POST", "/api/v1/orders", guests_too(201), body=ORDER),
    Row("POST", "/create_order/", guests_too(201), body=ORDER),
    Row("POST", "/api/v1/payments/create-link", guests_too(201), body=ORDER),
    Row("GET", "/api/v1/orders/{order_id}", anybody(200), an_order),
    Row("POST", "/api/v1/orders/{order_id}/payments", guests_too(201), an_order, body={}),
    Row(
        "POST", "/api/v1/orders/{order_id}/mark-paid", ADMINS, an_order, fresh=True,
        body={"reference": "{order_id}", "reason": "bank list"},
    ),
    Row("GET", "/api/v1/payments/paid-interpretation", anybody(200), a_paid_order, query={"order_id": "{order_id}"}),
    Row("GET", "/api/payments/paid-interpretation", anybody(402), an_order, query={"order_id": "{order_id}"}, why="not paid"),
    # for operators and machines
    Row("GET", "/api/v1/suspense", ADMINS),
    Row("GET", "/api/v1/suspense/{item_id}", ADMINS, a_suspense_item),
    Row("POST", "/api/v1/suspense/{item_id}/assign", ADMINS, a_suspense_item, fresh=True, body={"user_id": "1"}),
    Row("POST", "/api/v1/suspense/{item_id}/refund", ADMINS, a_suspense_item, fresh=True),
    Row(
        "POST", "/api/v1/suspense/{item_id}/write-off", ADMINS, a_suspense_item, fresh=True,
        body={"reference": "BOARD-1", "reason": "a test"},
    ),
    Row("POST", "/api/v1/mock/disputes", ADMINS, a_paid_deposit, fresh=True, body={"payment_id": "{payment_id}", "event": "opened"}),
    Row("POST", "/api/v1/mock/payments/{session_id}", ADMINS, a_deposit, fresh=True, body={"outcome": "failure"}),
    Row("GET", "/api/v1/audit", ADMINS),
    Row("POST", "/api/v1/webhooks/{provider}", anybody(400), provider, body={}, why="a signature decides, not a token"),
    Row("POST", "/api/v1/payments/webhook", anybody(404), body={}, why="Stripe is not configured"),
    Row("GET", "/health/live", anybody(200)),
    Row("GET", "/health/ready", anybody(200)),
    Row("GET", "/health/system", anybody(200)),
    Row("GET", "/metrics", anybody(200)),
    Row("GET", "/asyncapi.json", anybody(200)),
    Row("GET", "/openapi.json", anybody(200)),
    Row("HEAD", "/openapi.json", anybody(200)),
    # pages: a top-up's are its owner's alone, an order's whoever's who knows its id
    Row("GET", "/payment/mock", page(404, owner=200), a_deposit, query=SESSION_ID),
    Row("GET", "/{locale}/payment/mock", page(404, owner=200), in_english(a_deposit), query=SESSION_ID),
    Row("GET", "/payment/mock", guests_too(200), an_order, query=SESSION_ID, why="an order's"),
    Row("GET", "/{locale}/payment/mock", guests_too(200), in_english(an_order), query=SESSION_ID, why="an order's"),
    Row("POST", "/payment/mock", form(404, owner=303), a_deposit, form=SUCCESS),
    Row("POST", "/{locale}/payment/mock", form(404, owner=303), in_english(a_deposit), form=SUCCESS),
    Row("POST", "/payment/mock", form(303), an_order, fresh=True, form=SUCCESS, why="an order's"),
    Row("POST", "/{locale}/payment/mock", form(303), in_english(an_order), fresh=True, form=SUCCESS, why="an order's"),
    Row("GET", "/{locale}/pay/{session_id}", page(404), in_english(a_deposit), why="the mock's: whose a card's is, test_stripe_page tells"),
    Row("GET", "/{locale}/sessions/{session_id}/pay", page(200), in_english(a_coaching_session)),
    Row("POST", "/{locale}/sessions/{session_id}/pay", page(303, mentor=422), in_english(a_coaching_session), form=BY_MOCK),
    Row("GET", "/{locale}/sessions/{session_id}/paid", page(404, owner=200), in_english(a_session_paid_for), query=PAYMENT_ID),
    Row("GET", "/{locale}/login", guests_too(200), in_english()),
    Row("POST", "/{locale}/login", guests_too(303), in_english(), form={"login": "testuser", "password": "testuser"}),
    Row("POST", "/{locale}/logout", guests_too(303), in_english(), form={}),
    Row("GET", "/{locale}/balance/deposit", page(200), in_english()),
    Row("GET", "/{locale}/balance/deposit", page(404, owner=200), in_english(a_deposit), query=SESSION_ID, why="of a session"),
    Row("POST", "/{locale}/balance/deposit", page(303), in_english(), form=TOP_UP),
    Row("GET", "/{locale}/balance/deposit/success", page(404, owner=200), in_english(a_deposit), query=SESSION_ID),
    Row("GET", "/{locale}/balance/deposit/onward", page(404, owner=303), in_english(a_deposit), query={"payment_id": "{payment_id}"}),
    Row("GET", "/{locale}/balance", page(200), in_english()),
    Row("POST", "/{locale}/balance", page(422), in_english(), form={"idempotency_key": "k"}, why="nothing was entered"),
    Row("GET", "/{locale}/balance/withdrawals/{withdrawal_id}/cancel", page(404, owner=200), in_english(a_withdrawal)),
    Row(
        "POST", "/{locale}/balance/withdrawals/{withdrawal_id}/cancel", page(404, owner=303), in_english(a_withdrawal), fresh=True, form={}
    ),
    # a payment's: its payer's, its mentor's, any admin's; money goes back by the mentor or an admin
    Row("GET", "/{locale}/payments", page(200), in_english()),
    Row("GET", "/{locale}/payments", page(403, admin=200), in_english(), query={"all": "true"}, why="everyone's"),
    Row("GET", "/{locale}/payments/{payment_id}", page(404, owner=200, mentor=200, admin=200), in_english(a_paid_session_payment)),
    Row("GET", "/{locale}/payments/{payment_id}/cancel", page(404, owner=303, mentor=303, admin=303), in_english(a_paid_session_payment)),
    Row("GET", "/{locale}/payments/{payment_id}/confirm", page(404, owner=303, mentor=303, admin=303), in_english(a_paid_session_payment)),
    Row("GET", "/{locale}/payments/{payment_id}/refund", page(404, owner=303, mentor=303, admin=303), in_english(a_paid_session_payment)),
    Row(
        "POST", "/{locale}/payments/{payment_id}/cancel", page(404, owner=303, mentor=403, admin=303), in_english(a_session_payment),
        fresh=True, form={"confirmed": "yes"},
    ),
    Row(
        "POST", "/{locale}/payments/{payment_id}/confirm", page(404, owner=303, mentor=403, admin=303), in_english(a_session_payment),
        fresh=True, form={},
    ),
    Row(
        "POST", "/{locale}/payments/{payment_id}/refund", page(404, owner=403, mentor=303, admin=303), in_english(a_refundable_payment),
        fresh=True, form={"amount": "0.01", "confirmed": "yes", "idempotency_key": "k", "seen": ""},
    ),
    Row("GET", "/{locale}/orders/{product}", guests_too(200), in_english(a_product)),
    Row("POST", "/{locale}/orders/{product}", form(422), in_english(a_product), form={"idempotency_key": "k"}, why="no contact"),
    Row("GET", "/{locale}/orders/{order_id}/pay", guests_too(303), in_english(an_order)),
    Row("GET", "/{locale}/orders/{order_id}/success", guests_too(200), in_english(an_order)),
    Row("GET", "/{locale}/orders/{order_id}/payment-failed", guests_too(200), in_english(an_order)),
    Row("POST", "/{locale}/orders/{order_id}/payment-failed", form(303), in_english(an_order), fresh=True, form={"idempotency_key": "k"}),
    # the operator's: a guest's form, too, is sent to log in; what they had decided they decide again there
    Row("GET", "/{locale}/admin", page(403, admin=200), in_english()),
    Row("GET", "/{locale}/admin/log", page(403, admin=200), in_english()),
    Row("GET", "/{locale}/admin/withdrawals", page(403, admin=200), in_english()),
    Row("GET", "/{locale}/admin/withdrawals/{withdrawal_id}", page(403, admin=200), in_english(a_withdrawal)),
    Row(
        "POST", "/{locale}/admin/withdrawals/{withdrawal_id}", page(403, admin=303), in_english(a_withdrawal), fresh=True,
        form={"decision": "reject", "reason": "a test", "idempotency_key": "{withdrawal_id}"},
    ),
    Row("GET", "/{locale}/admin/suspense", page(403, admin=200), in_english()),
    Row("GET", "/{locale}/admin/suspense/{item_id}", page(403, admin=200), in_english(a_suspense_item)),
    Row(
        "POST", "/{locale}/admin/suspense/{item_id}", page(403, admin=303), in_english(a_suspense_item), fresh=True,
        form={"decision": "assign_user", "user_id": "1", "idempotency_key": "{item_id}"},
    ),
    Row("GET", "/static/{name}", anybody(200), the_stylesheet),
    Row("HEAD", "/static/{name}", anybody(200), the_stylesheet),
    Row("GET", "/", {**signed_in(303), Who.NOBODY: 200}, why="whoever is logged in goes on to their balance"),
    Row("GET", "/docs", anybody(200)),
    Row("GET", "/docs/swagger-ui-bundle.js", anybody(200)),
    Row("GET", "/docs/swagger-ui.css", anybody(200)),
    Row("GET", "/docs/favicon-32x32.png", anybody(200)),
)  # fmt: skip
