"""Somebody who tops up on the hosted pages, and what the stand-in for payments knows of their payments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final
from uuid import UUID

import httpx

from shared.contracts.base import utc_now
from shared.contracts.checkout import AmountLimits, ListMethods, MethodsView
from shared.contracts.history import ListedPayment, ListPayments, PaymentList
from shared.contracts.payment_commands import CommandReply, CreateDeposit, DepositCreated
from shared.contracts.queries import GetPayment, PaymentView
from tests.integration.gateway_world import World, method_view, refused
from tests.integration.pages_world import HTML, hidden, logged_in

FORM: Final = "/en/balance/deposit"
SUCCESS: Final = "/en/balance/deposit/success"

_EUROS: Final = AmountLimits(currency="eur", minimum_minor=50, maximum_minor=500_000, step_minor=5)
_YEN: Final = AmountLimits(currency="jpy", minimum_minor=1, maximum_minor=10**15, step_minor=1)
_DINARS: Final = AmountLimits(currency="rsd", minimum_minor=1, maximum_minor=10**15, step_minor=1)


@dataclass
class Payer:
    """User 1. `status_of` and `url_of`: of the payments made, by id; what is not there is pending, at the mock's page."""

    world: World
    status_of: dict[UUID, str] = field(default_factory=dict)
    url_of: dict[UUID, str | None] = field(default_factory=dict)
    urls: str | None = None
    _logged_in: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.stand_ins.answers |= {
            ListMethods: self._methods, ListPayments: self._list, GetPayment: self._view, CreateDeposit: self._create,
        }  # fmt: skip

    async def opens(self, path: str = FORM, user_id: str = "1") -> httpx.Response:
        return await self.world.http.get(path, headers=HTML | self.cookie(user_id))

    async def sends(self, form: httpx.Response | dict[str, str], path: str = FORM, **fields: str) -> httpx.Response:
        """The fields of the page's form, with what was entered; dinars by the mock unless `fields` say otherwise."""
        sent = hidden(form) if isinstance(form, httpx.Response) else form
        entered = {"amount": "2000", "currency": "rsd", "method": "mock"}
        return await self.world.http.post(path, data=sent | entered | fields, headers=HTML | self.cookie())

    def cookie(self, user_id: str = "1") -> dict[str, str]:
        """Of one session: forms are good in the session that they were shown in."""
        return self._logged_in.setdefault(user_id, logged_in(user_id))

    @property
    def made(self) -> list[CreateDeposit]:
        return list(self.world.stand_ins.payments.values())

    @property
    def newest(self) -> UUID:
        return self.made[-1].payment_id

    def session_of(self, payment_id: UUID) -> str:
        return next(session for session, payment in self.world.stand_ins.sessions.items() if payment == payment_id)

    def ends(self, payment_id: UUID, status: str = "completed") -> None:
        self.status_of[payment_id] = status

    async def _methods(self, _: ListMethods) -> MethodsView:
        mock = method_view("mock", _DINARS, _EUROS, _YEN)
        stripe = method_view("stripe", _EUROS)
        return MethodsView(
            methods=(mock, stripe, method_view("balance", pays_for=("session",)), method_view("prodamus", pays_for=("order",)))
        )

    async def _create(self, command: CreateDeposit) -> CommandReply[DepositCreated]:
        reply = self.world.stand_ins._deposit(command)
        if self.urls and isinstance(reply.answer, DepositCreated):
            return reply.model_copy(update={"answer": reply.answer.model_copy(update={"payment_url": self.urls})})
        return reply

    async def _list(self, query: ListPayments) -> PaymentList:
        mine = [self._listed(made) for made in reversed(self.made) if made.user_id == query.user_id]
        found = [one for one in mine if one.status != "pending" or not query.ended][: query.limit]
        return PaymentList(items=tuple(found), next_cursor=None)

    async def _view(self, query: GetPayment) -> Any:
        known = self.world.stand_ins.sessions.get(query.payment_id)
        made = next((one for one in self.made if query.payment_id == str(one.payment_id) or one.payment_id == known), None)
        if made is None or made.user_id != query.viewer_user_id:
            return refused("payment_not_found", query)
        session_id = self.session_of(made.payment_id)
        usual = f"http://localhost:8000/payment/mock?session_id={session_id}"
        told = self._listed(made).model_dump(include={"payment_id", "user_id", "kind", "method", "status", "amount_minor", "currency"})
        return PaymentView(
            **told,
            session_id=UUID(session_id),
            credit_reference="mock:ch_1",
            payment_url=self.url_of.get(made.payment_id, self.urls or usual),
            expires_at=None,
            created_at=utc_now(),
            updated_at=utc_now(),
        )

    def _listed(self, made: CreateDeposit) -> ListedPayment:
        return ListedPayment(
            payment_id=made.payment_id, session_id=None, user_id=made.user_id, mentor_id=None, coaching_session_id=None, kind="deposit",
            method=made.method or "mock", status=self.status_of.get(made.payment_id, "pending"), amount_minor=made.amount_minor,
            currency=made.currency, credit_reference=None, description="", created_at=utc_now(), updated_at=utc_now(),
        )  # fmt: skip


def beside(answer: httpx.Response, name: str) -> str:
    """The message beside that field; "" when there is none."""
    found = re.search(rf'id="{name}-error">([^<]*)<', answer.text)
    return unescape(found[1]) if found else ""


def value_of(answer: httpx.Response, name: str) -> str:
    """What the input of that name holds."""
    found = re.search(rf'<input id="{name}"[^>]* value="([^"]*)"', answer.text)
    assert found, answer.text
    return unescape(found[1])


def chosen(answer: httpx.Response) -> tuple[str, str]:
    """The currency and the way to pay that the form stands at."""
    (currency,) = re.findall(r'<option value="([a-z]{3})" selected>', answer.text)
    (method,) = re.findall(r'name="method" value="(\w+)"[^>]* checked>', answer.text)
    return currency, method
