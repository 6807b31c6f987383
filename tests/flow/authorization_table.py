"""The authorization table: every operation of the gateway, and the status that each of the eight callers gets. Statuses as the contract
says; where one of an allowed caller is not 2xx, the row says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.flow.authorization_world import (
    ORDER,
    PRICE_MINOR,
    SESSION,
    SIGNED_IN,
    USER_IDS,
    Ids,
    Who,
    World,
    a_coaching_session,
    a_deposit,
    a_paid_deposit,
    a_paid_order,
    a_paid_session_payment,
    a_refund,
    a_session_payment,
    a_withdrawal,
    an_order,
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


ADMINS: Final = signed_in(403, admin=200)
PAYER: Final = signed_in(404, owner=200, admin=200)
PAYER_NOT_MENTOR: Final = signed_in(404, owner=200, admin=200, mentor=403)
PAYER_AND_MENTOR: Final = signed_in(404, owner=200, admin=200, mentor=200)
DECIDES: Final = signed_in(404, owner=403, admin=200)
TOO_SOON: Final = signed_in(404, owner=403, admin=409)

BANK: Final = {"type": "bank_account", "account": "160-0000000056789-95", "name": "Petar Petrović"}


async def provider(_: World) -> Ids:
    return {"provider": "mock"}


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
        "POST", "/api/v1/balance/mock/complete", signed_in(404, owner=200), a_deposit, body={"session_id": "{session_id}"}
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
    Row("GET", "/api/v1/audit", ADMINS),
    Row("POST", "/api/v1/webhooks/{provider}", anybody(400), provider, body={}, why="a signature decides, not a token"),
    Row("GET", "/health/live", anybody(200)),
    Row("GET", "/health/ready", anybody(200)),
    Row("GET", "/health/system", anybody(200)),
    Row("GET", "/metrics", anybody(200)),
    Row("GET", "/asyncapi.json", anybody(200)),
    Row("GET", "/openapi.json", anybody(200)),
    Row("HEAD", "/openapi.json", anybody(200)),
    # pages
    Row("GET", "/", anybody(307)),
    Row("GET", "/docs", anybody(200)),
    Row("GET", "/docs/swagger-ui-bundle.js", anybody(200)),
    Row("GET", "/docs/swagger-ui.css", anybody(200)),
    Row("GET", "/docs/favicon-32x32.png", anybody(200)),
)  # fmt: skip
