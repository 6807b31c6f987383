"""The form with which money is asked out: what may be entered, said by the server and by static/balance.js in the same words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.gateway import withdrawing
from services.gateway.amounts import parse_amount
from services.gateway.hypertext.catalogues import marked
from services.gateway.pages.amount_words import wrong_amount
from services.gateway.pages.forms import Form
from services.gateway.pages.troubles import message_of
from services.gateway.pages.visits import Visit
from services.gateway.withdrawing import BankAccountField, CardField, Destination
from shared.contracts.checkout import AmountLimits, PayoutsView
from shared.contracts.history import ListedPayment
from shared.contracts.payment_commands import Refused
from shared.contracts.queries import BalanceView
from shared.money import EXPONENTS, Money, MoneyError

_ACCOUNT: Final = re.compile(withdrawing.ACCOUNT)
_NAME: Final = re.compile(withdrawing.NAME)

_TOO_MUCH: Final = marked("You can withdraw at most %(amount)s.")
_TOO_LITTLE: Final = marked("The smallest withdrawal is %(amount)s.")
_TOO_LARGE: Final = marked("The largest single withdrawal is %(amount)s.")
_UNEVEN: Final = marked("The amount must be a multiple of %(amount)s.")
_NO_CURRENCY: Final = marked("Choose a currency that you have money in.")
_NO_ACCOUNT: Final = marked("Enter the account number or IBAN: 4 to 64 letters, digits and signs.")
_NO_NAME: Final = marked("Enter the account holder's name, in up to 100 characters.")
_NO_CARD: Final = marked("Choose the payment whose card the money goes back to.")

_NO_PAYOUTS: Final = marked("Withdrawals are not available here at the moment.")

_REFUSALS: Final[Mapping[str, str]] = {
    "amount_not_available": marked("This amount cannot be paid out here."),
    "currency_not_available": marked("Withdrawals are not available in this currency."),
    "destination_not_available": marked("The money cannot be sent there. Please choose another destination."),
    "payouts_not_available": _NO_PAYOUTS,
    "idempotency_key_reused": marked("This form was sent before, with other values. If the list lacks what you want, send it again."),
}
_FIELDS: Final = {"insufficient_funds": "amount", "amount_not_available": "amount", "currency_not_available": "payout_currency"}


@dataclass(frozen=True, slots=True)
class Limit:
    """What can be withdrawn in one currency (minor units), and what is said where it is not kept."""

    currency: str
    digits: int
    available: int
    minimum: int
    maximum: int
    step: int
    too_much: str
    too_little: str
    too_large: str
    uneven: str

    def wrong(self, money: Money) -> str | None:
        amount = money.amount_minor
        if amount > self.available:
            return self.too_much
        if amount < self.minimum:
            return self.too_little
        if amount > self.maximum:
            return self.too_large
        return self.uneven if amount % self.step else None


@dataclass(frozen=True, slots=True)
class Entered:
    """As it was typed; shown again beside what is wrong."""

    amount: str = ""
    payout_currency: str = ""
    account: str = ""
    name: str = ""
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    money: Money
    destination: Destination


Errors = dict[str, str]
"""By field, in the visitor's language; "" is the whole form's."""


def limits(visit: Visit, balances: Sequence[BalanceView], payouts: PayoutsView | None) -> list[Limit]:
    """Of each currency that there is money in and that is paid out."""
    taken = {} if payouts is None else {one.currency: one for one in payouts.limits}
    return [_limit(visit, one, taken[one.currency]) for one in balances if one.available_minor > 0 and one.currency in taken]


def entered_in(form: Form) -> Entered:
    return Entered(**{name: form.get(name, "").strip() for name in ("amount", "payout_currency", "account", "name", "payment_id")})


def words(visit: Visit) -> dict[str, str]:
    """What is said of the fields that have no sums."""
    return {name: visit.gettext(text) for name, text in {"account": _NO_ACCOUNT, "name": _NO_NAME, "payment_id": _NO_CARD}.items()}


def check(
    visit: Visit, entered: Entered, payouts: PayoutsView | None, known: Sequence[Limit], cards: Sequence[ListedPayment]
) -> Wanted | Errors:
    """What is asked for, or what is wrong with each field. Services check it all again."""
    if payouts is None:
        return {"": visit.gettext(_NO_PAYOUTS)}
    errors: Errors = {}
    money = _money(visit, entered, known, errors)
    destination = _destination(visit, entered, payouts, cards, errors)
    if errors or money is None or destination is None:
        return errors
    return Wanted(money, destination)


def refusal_errors(visit: Visit, refused: Refused, payouts: PayoutsView | None, limit: Limit | None) -> Errors:
    """What services have against it, beside the field that it is about. `limit`: of the currency, as it is now."""
    code = refused.code
    if code == "insufficient_funds" and limit is not None:
        return {"amount": limit.too_much}
    message = visit.gettext(_REFUSALS.get(code) or message_of(code))
    if code == "destination_not_available":
        return {_destination_field(payouts): message}
    return {_FIELDS.get(code, ""): message}


def _money(visit: Visit, entered: Entered, known: Sequence[Limit], errors: Errors) -> Money | None:
    limit = next((one for one in known if one.currency == entered.payout_currency), None)
    if limit is None:
        errors["payout_currency"] = visit.gettext(_NO_CURRENCY)
        return None
    try:
        money = parse_amount(entered.amount, limit.currency, visit.locale)
    except MoneyError as error:
        errors["amount"] = wrong_amount(visit, error)
        return None
    if wrong := limit.wrong(money):
        errors["amount"] = wrong
    return money


def _destination(
    visit: Visit, entered: Entered, payouts: PayoutsView, cards: Sequence[ListedPayment], errors: Errors
) -> Destination | None:
    said = words(visit)
    if payouts.destination == "card":
        if entered.payment_id not in {str(one.payment_id) for one in cards}:
            errors["payment_id"] = said["payment_id"]
            return None
        return CardField(type="card", payment_id=entered.payment_id)
    for name, pattern in {"account": _ACCOUNT, "name": _NAME}.items():
        if not pattern.fullmatch(getattr(entered, name)):
            errors[name] = said[name]
    return None if errors else BankAccountField(type="bank_account", account=entered.account, name=entered.name)


def _destination_field(payouts: PayoutsView | None) -> str:
    return "payment_id" if payouts is not None and payouts.destination == "card" else "account"


def _limit(visit: Visit, balance: BalanceView, taken: AmountLimits) -> Limit:
    def said(message: str, amount_minor: int) -> str:
        return visit.gettext(message) % {"amount": visit.formats.money(amount_minor, balance.currency)}

    return Limit(
        currency=balance.currency,
        digits=EXPONENTS[balance.currency],
        available=balance.available_minor,
        minimum=taken.minimum_minor,
        maximum=taken.maximum_minor,
        step=taken.step_minor,
        too_much=said(_TOO_MUCH, balance.available_minor),
        too_little=said(_TOO_LITTLE, taken.minimum_minor),
        too_large=said(_TOO_LARGE, taken.maximum_minor),
        uneven=said(_UNEVEN, taken.step_minor),
    )
