"""Where a withdrawal goes: what each way of paying out can reach, and whose card it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from uuid import UUID

from services.payments.domain.withdrawals import masked_account, masked_name
from services.payments.store import payout_cards
from shared.contracts.payment_commands import FieldProblem, Refused
from shared.contracts.withdrawals import BankAccount, Card, CreateWithdrawal
from shared.postgres import Connection

_TO_CARDS: Final = frozenset({"allsecure"})
"""Payout methods that reach the card of a payment, and nothing else; the others go to bank accounts."""


@dataclass(frozen=True, slots=True)
class Destination:
    """`details`: to be sealed, for whoever sends the money; `account` and `name` may be shown."""

    type: str
    details: Mapping[str, str] = field(repr=False)
    account: str
    name: str


def as_asked(asked: BankAccount | Card) -> Destination:
    match asked:
        case BankAccount():
            return Destination(asked.type, asked.model_dump(), masked_account(asked.account), masked_name(asked.name))
        case Card():
            return Destination(asked.type, asked.model_dump(), masked_account(asked.payment_id), "")


def destination_of(payout_method: str) -> Literal["bank_account", "card"]:
    """The kind of destination that `payout_method` reaches."""
    return "card" if payout_method in _TO_CARDS else "bank_account"


async def reach(tx: Connection, command: CreateWithdrawal, payout_method: str) -> Destination | Refused:
    """The destination as `payout_method` needs it; refused when it reaches no such one, or the card is of no payment of the user's."""
    asked = command.destination
    wanted = destination_of(payout_method)
    if asked.type != wanted:
        return _refused(command, "type", f"must be {wanted} here", "Nothing is paid out to such a destination here.")
    destination = as_asked(asked)
    if not isinstance(asked, Card):
        return destination
    payment_id = _uuid(asked.payment_id)
    charge = None if payment_id is None else await payout_cards.find_charge(tx, payment_id, command.user_id, payout_method)
    if charge is None:
        reason = f"must be of a completed payment of your own through {payout_method}, neither refunded nor disputed"
        return _refused(command, "payment_id", reason, "Nothing can be paid out to the card of this payment.")
    return Destination(destination.type, {**destination.details, "charge_reference": charge}, destination.account, destination.name)


def _refused(command: CreateWithdrawal, name: str, reason: str, detail: str) -> Refused:
    problem = FieldProblem(loc=("body", "destination", name), msg=reason)
    return Refused(code="destination_not_available", detail=detail, errors=(problem,), request_id=command.correlation_id)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
