"""Payments and wallet as the page of a session sees them: one coaching session, and what becomes of whatever is paid for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from shared.contracts.base import new_id, utc_now
from shared.contracts.checkout import ListMethods, MethodsView
from shared.contracts.history import ListedPayment
from shared.contracts.intents import CancelPayment, CreateIntent, IntentCreated, PaymentCanceled
from shared.contracts.payment_commands import CommandReply
from shared.contracts.queries import BalancesView, GetBalances, GetPayment, PaymentView
from shared.contracts.sessions import GetSession, GetSessionPayments, SessionPayments, SessionView
from tests.integration.gateway_world import World, balance_view, method_view, refused
from tests.integration.pages_world import HTML, hidden, logged_in

PAY = "/en/sessions/7/pay"
PAID = "/en/sessions/7/paid"
NOTHING = SessionPayments(open=None, paid=None, ended_payment_id=None)


@dataclass
class Desk:
    """Session 7 of mentor 2 costs 5000.00 RSD; student 1 has 6000.00. Who pays by "mock" goes on at our own page, by "balance" is done, by
    "elsewhere" goes on at the provider's."""

    world: World
    standing: SessionPayments = NOTHING
    price_minor: int = 500_000
    available_minor: int = 600_000
    methods: tuple[str, ...] = ("stripe", "elsewhere", "mock")
    title: str = "A first conversation"
    view: dict[str, Any] = field(default_factory=dict)
    made: dict[str, IntentCreated] = field(default_factory=dict)
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.stand_ins.answers |= {
            GetSession: self._session, GetSessionPayments: self._standing, GetBalances: self._balances, ListMethods: self._methods,
            CreateIntent: self._create, CancelPayment: self._cancel, GetPayment: self._payment,
        }  # fmt: skip

    async def page(self, path: str = PAY, user_id: str = "1") -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | self._cookie(user_id))

    async def form(self, path: str = PAY) -> dict[str, str]:
        """What the page's form has in its hidden fields."""
        return hidden(await self.page(path))

    async def send(self, form: dict[str, str], method: str, path: str = PAY, **fields: str) -> httpx.Response:
        return await self.world.http.post(path, data=form | {"method": method} | fields, headers=HTML | self._cookie())

    def _cookie(self, user_id: str = "1") -> dict[str, str]:
        """One token a user: a form is good in the session that it was made in."""
        return self.cookies.setdefault(user_id, logged_in(user_id))

    @property
    def commands(self) -> list[CreateIntent]:
        return self.world.stand_ins.asked_of(CreateIntent)

    async def _session(self, query: GetSession) -> Any:
        if query.session_id != "7":
            return refused("session_not_found", query)
        return SessionView(
            session_id="7", mentor_id="2", price_minor=self.price_minor, currency="rsd", title=self.title, created_at=utc_now(),
            updated_at=utc_now(),
        )  # fmt: skip

    async def _standing(self, query: GetSessionPayments) -> SessionPayments:
        return self.standing if query.user_id == "1" else NOTHING

    async def _balances(self, _: GetBalances) -> BalancesView:
        return BalancesView(balances=(balance_view("rsd", self.available_minor),))

    async def _methods(self, _: ListMethods) -> MethodsView:
        return MethodsView(methods=(*map(method_view, self.methods), method_view("balance", pays_for=("session",))))

    async def _create(self, command: CreateIntent) -> CommandReply[IntentCreated]:
        assert command.idempotency.key_hash is not None
        if (kept := self.made.get(command.idempotency.key_hash)) is not None:
            return CommandReply(answer=kept, replayed=True)
        addresses = {
            "mock": f"{self.world.settings.public_url}/payment/mock?session_id={new_id()}",
            "stripe": f"{self.world.settings.public_url}/ru/pay/01a1ff50-dc78-7c2b-9c20-d741021c8170",
            "elsewhere": "https://pay.example.org/p/1",
        }
        created = IntentCreated(
            payment_id=command.payment_id, status="completed" if command.method == "balance" else "pending",
            amount_minor=command.amount_minor, currency=command.currency, method=command.method or "", session_id=command.session_id,
            mentor_id=command.mentor_id, client_secret=None, payment_url=addresses.get(command.method or ""), expires_at=None,
        )  # fmt: skip
        self.made[command.idempotency.key_hash] = created
        return CommandReply(answer=created)

    async def _cancel(self, command: CancelPayment) -> CommandReply[PaymentCanceled]:
        payment_id = UUID(command.payment_id)
        return CommandReply(answer=PaymentCanceled(payment_id=payment_id, amount_minor=500_000, currency="rsd", method="mock"))

    async def _payment(self, query: GetPayment) -> Any:
        if not self.view or query.viewer_user_id not in ("1", "2"):
            return refused("payment_not_found", query)
        return payment_view(**{"payment_id": UUID(query.payment_id)} | self.view)


def payment_view(**changes: Any) -> PaymentView:
    fields: dict[str, Any] = {
        "payment_id": new_id(), "session_id": new_id(), "user_id": "1", "mentor_id": "2", "coaching_session_id": "7", "kind": "payment",
        "method": "mock", "status": "pending", "amount_minor": 500_000, "currency": "rsd", "credit_reference": "mock:ch_1",
        "payment_url": None, "expires_at": None, "created_at": utc_now(), "updated_at": utc_now(), "description": "A first conversation",
    }  # fmt: skip
    return PaymentView(**fields | changes)


def listed(method: str = "mock", status: str = "pending", amount_minor: int = 500_000) -> ListedPayment:
    return ListedPayment(
        payment_id=new_id(), session_id=new_id(), user_id="1", mentor_id="2", coaching_session_id="7", kind="payment", method=method,
        status=status, amount_minor=amount_minor, currency="rsd", credit_reference=None, description="", created_at=utc_now(),
        updated_at=utc_now(),
    )  # fmt: skip


def ways(page: httpx.Response) -> dict[str, str]:
    """The ways to pay, in their order, and whether they can be chosen."""
    radios = re.findall(r'<input type="radio" name="method" value="(\w+)"([^>]*)>', page.text)
    return {name: "disabled" if "disabled" in rest else "checked" if "checked" in rest else "" for name, rest in radios}
