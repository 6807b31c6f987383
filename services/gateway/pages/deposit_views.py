"""A top-up's payment as its pages see it: asked for by its payer, told as it truly stands, and where that leads."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from services.gateway.auth import Caller
from services.gateway.pages.outcomes import state_of
from services.gateway.pages.visits import Visit
from services.gateway.problems import Problem, RefusedByDecision
from services.gateway.requests import PAYMENT
from services.gateway.settlement import true_status
from shared.contracts.queries import GetPayment, PaymentView
from shared.money import major_text

KIND: Final = "deposit"


async def deposit_payment(visit: Visit, caller: Caller, payment_id: str) -> tuple[PaymentView, str] | None:
    """The payment by its id or its session's, and its true status; None when the caller has no such payment. Problems: of a question."""
    asked = GetPayment(payment_id=payment_id, viewer_user_id=caller.user_id, correlation_id=visit.request_id)
    try:
        view = await visit.parts.services.question(asked, PAYMENT)
    except RefusedByDecision as refusal:
        if refusal.refused.code != "payment_not_found":
            raise
        return None
    assert isinstance(view, PaymentView)
    if view.kind != KIND or view.user_id != caller.user_id:
        # It has pages of its own; and a mentor, who may see what students pay, tops nothing up by it.
        return None
    return view, await true_status(visit.parts.services, view, visit.request_id)


def no_session() -> Problem:
    return Problem("session_not_found", "There is no such session.")


def form_path(locale: str, **fields: str) -> str:
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"/{locale}/balance/deposit" + (f"?{query}" if query else "")


def again_path(locale: str, view: PaymentView) -> str:
    """The form with the same sum, for another payment after this one."""
    amount = major_text(view.amount_minor, view.currency)
    return form_path(locale, amount=amount, currency=view.currency, method=view.method)


def result_path(locale: str, view: PaymentView, status: str) -> str:
    """Where a payment that is over is told."""
    session_id = str(view.session_id or view.payment_id)
    if state_of(status) == "failed":
        return form_path(locale, error="payment_failed", session_id=session_id)
    amount = major_text(view.amount_minor, view.currency)
    return f"/{locale}/balance/deposit/success?{urlencode({'session_id': session_id, 'amount': amount})}"


def onward_path(locale: str, payment_id: str, receipt: str = "") -> str:
    """The page that leads on to a payment, as soon as it is known where."""
    fields = {"payment_id": payment_id} | ({"receipt": receipt} if receipt else {})
    return f"/{locale}/balance/deposit/onward?{urlencode(fields)}"
