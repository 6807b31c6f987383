"""What an operator's form decides: read from its fields, checked as the API checks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.forms import Form
from services.gateway.pages.visits import Visit
from shared.contracts.suspense import SuspenseDecision
from shared.contracts.withdrawals import Decision

REASON_LENGTH_MAX: Final = 500
REFERENCE_LENGTH_MAX: Final = 200

_NO_REASON: Final = marked("Say why.")
_LONG_REASON: Final = marked("Say it in at most 500 characters.")
_NO_REFERENCE: Final = marked("Enter the bank's or the provider's reference.")
_LONG_REFERENCE: Final = marked("A reference has at most 200 characters.")


@dataclass(frozen=True, slots=True)
class Question:
    """How a decision is asked about. `question`, `told` and `button` are English, to be translated. `reason` and `reference`: may be said
    ("optional"), must be ("required"), or are not asked for."""

    question: str
    told: str
    button: str
    reason: str | None = None
    reference: str | None = None
    tone: str = "main"


QUESTIONS: Final[Mapping[Decision, Question]] = {
    "approve": Question(
        marked("Approve this withdrawal?"), marked("The money is then paid out. This cannot be undone here."), marked("Approve")
    ),
    "reject": Question(
        marked("Reject this withdrawal?"),
        marked("The money goes back to the owner's balance at once. The owner is told why."),
        marked("Reject"),
        reason="required",
        tone="danger",
    ),
    "mark_paid": Question(
        marked("Was this withdrawal paid at the bank?"),
        marked("The money then leaves the owner's held balance for good."),
        marked("Mark as paid"),
        reference="required",
    ),
    "mark_failed": Question(
        marked("Could this withdrawal not be paid?"),
        marked("The money goes back to the owner's balance at once. The owner is told why."),
        marked("Mark as failed"),
        reason="required",
        tone="danger",
    ),
    "mark_returned": Question(
        marked("Did the bank send this withdrawal back?"),
        marked("The money is credited to the owner's balance again."),
        marked("Mark as returned"),
        reference="required",
        tone="danger",
    ),
    "resolve_paid": Question(
        marked("Was this withdrawal paid after all?"),
        marked("Its outcome has been unknown for a day. Confirm only what you have seen at the provider."),
        marked("Mark as paid"),
        reason="optional",
        reference="optional",
    ),
    "resolve_failed": Question(
        marked("Was nothing of this withdrawal sent?"),
        marked("Its outcome has been unknown for a day. Confirm only what you have seen at the provider."),
        marked("Mark as not sent"),
        reason="optional",
        tone="danger",
    ),
}


def text_of(form: Form, name: str) -> str | None:
    """A field without the spaces around it; None when it is empty or missing."""
    return form.get(name, "").strip() or None


def reason_errors(visit: Visit, reason: str | None, *, required: bool) -> dict[str, str]:
    if reason is None:
        return {"reason": visit.gettext(_NO_REASON)} if required else {}
    return {"reason": visit.gettext(_LONG_REASON)} if len(reason) > REASON_LENGTH_MAX else {}


def reference_errors(visit: Visit, reference: str | None, *, required: bool) -> dict[str, str]:
    if reference is None:
        return {"reference": visit.gettext(_NO_REFERENCE)} if required else {}
    return {"reference": visit.gettext(_LONG_REFERENCE)} if len(reference) > REFERENCE_LENGTH_MAX else {}


# ---- money in suspense


@dataclass(frozen=True, slots=True)
class SuspenseQuestion:
    """Likewise, of an item of suspense. `fields`: what is asked for, `required`: what must be said."""

    decision: SuspenseDecision
    question: str
    told: str
    button: str
    fields: tuple[str, ...]
    required: tuple[str, ...]
    tone: str = "main"


SUSPENSE_QUESTIONS: Final = (
    SuspenseQuestion(
        "assign_user",
        marked("Give it to a user"),
        marked("The money is credited to the user's balance."),
        marked("Credit the user"),
        fields=("user_id",),
        required=("user_id",),
    ),
    SuspenseQuestion(
        "assign_payment",
        marked("Pay a payment with it"),
        marked("A payment of the same sum that nobody has paid is completed by it."),
        marked("Complete the payment"),
        fields=("payment_id",),
        required=("payment_id",),
    ),
    SuspenseQuestion(
        "refund",
        marked("Send it back"),
        marked("The money goes back through the provider that it came through."),
        marked("Send it back"),
        fields=("reference", "reason"),
        required=(),
        tone="danger",
    ),
    SuspenseQuestion(
        "write_off",
        marked("Write it off"),
        marked("The money becomes the platform's revenue."),
        marked("Write it off"),
        fields=("reference", "reason"),
        required=("reference", "reason"),
        tone="danger",
    ),
)

FIELD_OF: Final[Mapping[str, str]] = {
    "payment_not_found": "payment_id",
    "payment_not_assignable": "payment_id",
    "already_paid": "payment_id",
    "amount_mismatch": "payment_id",
}
"""Beside which field a refusal is told."""

_USER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@|+-]{0,63}")
_PAYMENT_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")
_NO_USER: Final = marked("Enter a user ID.")
_NO_PAYMENT: Final = marked("Enter a payment ID.")


def suspense_question(decision: str | None) -> SuspenseQuestion | None:
    return next((one for one in SUSPENSE_QUESTIONS if one.decision == decision), None)


def suspense_errors(visit: Visit, asked: SuspenseQuestion, told: Mapping[str, str | None]) -> dict[str, str]:
    errors: dict[str, str] = {}
    if "user_id" in asked.fields and not _USER_ID.fullmatch(told["user_id"] or ""):
        errors["user_id"] = visit.gettext(_NO_USER)
    if "payment_id" in asked.fields and not _PAYMENT_ID.fullmatch(told["payment_id"] or ""):
        errors["payment_id"] = visit.gettext(_NO_PAYMENT)
    if "reference" in asked.fields:
        errors |= reference_errors(visit, told["reference"], required="reference" in asked.required)
    if "reason" in asked.fields:
        errors |= reason_errors(visit, told["reason"], required="reason" in asked.required)
    return errors
