"""The page of one payment, whichever request it answers: looked at, sent a form that was not right yet, or told what became of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.responses import Response

from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.amount_words import amount_words
from services.gateway.pages.forms import new_key
from services.gateway.pages.payment.facts import Facts
from services.gateway.pages.payment.road import STATIONS
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit
from services.gateway.problems import CODES
from shared.money import EXPONENTS

REFRESH_SECONDS: Final = 5
TOO_MUCH: Final = marked("That is too much: at most %(amount)s can still go back.")

_WORDS: Final[Mapping[str, str]] = {
    "insufficient_funds": marked("There is not enough on the balance that this payment was credited to. Nothing was sent back."),
    "refund_exceeds_payment": marked("That is more than can still go back. Nothing was sent back."),
    "already_refunded": marked("All of it is back already, or on its way back."),
    "payment_not_refundable": marked("This payment is not paid, so nothing can go back."),
    "payment_disputed": marked("This payment is disputed: the bank decides where its money goes."),
    "refund_not_supported": marked("This provider takes no orders to send money back. What went back at its own site can be recorded."),
    "refund_reference_reused": marked("This refund is recorded already."),
    "idempotency_key_reused": marked("This form was sent before with other values. Look at the refunds, then send it again if need be."),
    "refund_declined": marked("The provider declined to send it back. Nothing was sent back."),
    "declined": marked("The provider declined to send it back. Nothing was sent back."),
    "not_received": marked("The request did not arrive. Nothing was done: please send it again."),
    "session_final": marked("It has been decided already what becomes of this payment."),
    "payment_not_cancelable": marked("This payment cannot be canceled here."),
    "operation_not_supported": marked("This provider cannot be asked. Its own message will tell what became of the payment."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RefundForm:
    """What its fields hold, as texts; `errors` by field, in the visitor's words. `seen`: the newest refund that its sender knew of. Each
    rendering has a key of its own."""

    amount: str
    reason: str = ""
    manual_reference: str = ""
    force: bool = False
    seen: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    key: str = field(default_factory=new_key)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what the visitor has asked for. `wrong`: it did not happen."""

    text: str
    wrong: bool = False
    waiting: bool = False


def in_words(visit: Visit, code: str) -> str:
    """Why something was refused, or failed: payments' codes in words; a provider's own words as they are."""
    if code in _WORDS:
        return visit.gettext(_WORDS[code])
    return visit.gettext(message_of(code)) if code in CODES else code.replace("_", " ")


def newest(facts: Facts) -> str:
    return str(facts.refunds[0].refund_id) if facts.refunds else ""


def fresh_form(visit: Visit, facts: Facts) -> RefundForm:
    """All that is left, to begin with."""
    return RefundForm(amount=visit.formats.major(facts.left_minor, facts.view.currency), seen=newest(facts))


def shown(visit: Visit, facts: Facts, *, form: RefundForm | None = None, outcome: Outcome | None = None, status: int = 200) -> Response:
    waiting = facts.waiting or (outcome is not None and outcome.waiting)
    may_refund = facts.may_refund and facts.left_minor > 0
    return visit.page(
        "payment.html",
        status=status,
        # Never under the hands of somebody who is writing.
        refresh_seconds=REFRESH_SECONDS if waiting and not may_refund else None,
        facts=facts,
        view=facts.view,
        path=path_of(visit, facts),
        may_refund=may_refund,
        waiting=waiting,
        form=form or fresh_form(visit, facts),
        digits=EXPONENTS[facts.view.currency],
        stations=STATIONS,
        amount_words=amount_words(visit),
        too_much=visit.gettext(TOO_MUCH) % {"amount": visit.formats.money(facts.left_minor, facts.view.currency)},
        outcome=outcome,
        # Escaped like everything that is no template's own text, which what `_` gives is not.
        say=visit.gettext,
        in_words=lambda code: in_words(visit, code),
    )


def path_of(visit: Visit, facts: Facts) -> str:
    return f"/{visit.locale}/payments/{facts.view.payment_id}"
