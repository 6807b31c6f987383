"""What the page of a session knows when somebody comes to pay: the session, what they have paid already, and how they can pay now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from services.gateway.auth import Caller
from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.forms import Form
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit
from services.gateway.pages.ways_to_pay import FROM_BALANCE, Way, attempt_key, ways_to_pay
from services.gateway.paying_sessions import is_session_id
from services.gateway.problems import Problem
from services.gateway.requests import BALANCES, SESSION, SESSION_PAYMENTS
from shared.contracts.history import ListedPayment
from shared.contracts.queries import GetBalances
from shared.contracts.sessions import GetSession, GetSessionPayments, SessionPayments, SessionView
from shared.money import Money, major_text

CHOICE: Final = "method"
ONWARD: Final = "onward"
"""In the query of a result's address: the payer is on their way to a page elsewhere."""

_CHOOSE: Final = marked("Choose how you want to pay.")
_TOO_LITTLE: Final = marked("Your balance does not cover the price. Top it up, or choose another way to pay.")
_NEW_PRICE: Final = marked("The price has changed meanwhile: it is %(price)s now. Please look, and pay if you agree.")


@dataclass(frozen=True, slots=True)
class Desk:
    """`available_minor`: what the payer has in the session's currency."""

    visit: Visit
    caller: Caller
    session: SessionView
    standing: SessionPayments
    ways: tuple[Way, ...]
    available_minor: int

    @property
    def path(self) -> str:
        return session_path(self.visit.locale, self.session.session_id)

    @property
    def is_own(self) -> bool:
        return self.caller.user_id == self.session.mentor_id

    @property
    def attempt(self) -> str:
        """What the form's key is now; an older one tells that a payment has ended since the form was made."""
        return attempt_key(self.caller.user_id, self.session.session_id, self.standing.ended_payment_id)

    @property
    def price(self) -> str:
        return self.visit.formats.money(self.session.price_minor, self.session.currency)

    def wrong(self, form: Form) -> dict[str, str]:
        """What is wrong with the form, by field; "" is the whole of it."""
        say = self.visit.gettext
        if (form.get("price_minor"), form.get("currency")) != (str(self.session.price_minor), self.session.currency):
            return {"": say(_NEW_PRICE) % {"price": self.price}}
        way = next((way for way in self.ways if way.method == form.get(CHOICE)), None)
        if way is None:
            return {CHOICE: say(_CHOOSE)}
        return {} if way.enough else {CHOICE: say(_TOO_LITTLE)}

    def refusal(self, code: str) -> dict[str, str]:
        """The same for what payments has refused."""
        if code == "insufficient_funds":
            return {CHOICE: self.visit.gettext(_TOO_LITTLE)}
        if code == "amount_mismatch":
            return {"": self.visit.gettext(_NEW_PRICE) % {"price": self.price}}
        return {"": self.visit.gettext(message_of(code))}

    def same(self, payment: ListedPayment, method: str) -> bool:
        """Would paying by `method` now be that payment again?"""
        price = (self.session.price_minor, self.session.currency)
        return payment.method == method and (payment.amount_minor, payment.currency) == price

    def page(
        self, *, status: int = 200, chosen: str | None = None, errors: Mapping[str, str] | None = None, failed: bool = False
    ) -> Response:
        """The form, or why there is none. `failed`: the payer comes back from a payment that failed."""
        paid = self.standing.paid
        again = "again" in self.visit.query or self.visit.request.method == "POST"
        state = "own" if self.is_own else "paid" if paid is not None and not again else "form" if self.ways else "no way"
        return self.visit.page(
            "session_pay.html",
            status=status,
            state=state,
            session=self.session,
            paid=paid,
            open=self.standing.open,
            ways=self.ways,
            chosen=chosen or next((way.method for way in self.ways if way.enough), None),
            available_minor=self.available_minor,
            top_up=self._top_up(),
            attempt=self.attempt,
            errors=errors or {},
            failed=failed,
            here=self.path,
        )

    def _top_up(self) -> str | None:
        """Where the balance gets what is missing; None when it is enough, or no way to pay at all."""
        if not any(way.method == FROM_BALANCE and not way.enough for way in self.ways):
            return None
        missing = major_text(self.session.price_minor - max(self.available_minor, 0), self.session.currency)
        return f"/{self.visit.locale}/balance/deposit?amount={missing}&currency={self.session.currency}"


async def desk(visit: Visit, caller: Caller, session_id: str) -> Desk:
    """Problems: session_not_found; those of a question."""
    if not is_session_id(session_id):
        raise Problem("session_not_found", "There is no such session.")
    ask, request_id = visit.parts.services.question, visit.request_id
    session = await ask(GetSession(session_id=session_id, correlation_id=request_id), SESSION)
    assert isinstance(session, SessionView)
    standing, balances, methods = await asyncio.gather(
        ask(GetSessionPayments(session_id=session_id, user_id=caller.user_id, correlation_id=request_id), SESSION_PAYMENTS),
        ask(GetBalances(user_ids=(caller.user_id,), currency=session.currency, correlation_id=request_id), BALANCES),
        visit.parts.methods.current(request_id),
    )
    available_minor = sum(balance.available_minor for balance in balances.balances if balance.currency == session.currency)
    ways = ways_to_pay(methods, Money(session.price_minor, session.currency), available_minor)
    return Desk(visit, caller, session, standing, ways, available_minor)


def session_path(locale: str, session_id: str) -> str:
    return f"/{locale}/sessions/{quote(session_id, safe='')}"


def result_path(locale: str, session_id: str, payment_id: UUID) -> str:
    """Where it is told what has become of a payment of that session."""
    return f"{session_path(locale, session_id)}/paid?payment_id={payment_id}"
