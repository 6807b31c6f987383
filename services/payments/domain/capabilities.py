"""What a provider can do and which sums it takes, as data: what it lacks is refused with its name, never pretended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.contracts.payment_commands import FieldProblem, Refused
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`refund`: send money of a charge back; `status`: tell when asked; `cancel`: end a session, so that nobody can pay it; `payout`: send
    money to its users; `dispute`: tell of money that was taken back."""

    refund: bool
    status: bool
    cancel: bool
    payout: bool
    dispute: bool


@dataclass(frozen=True, slots=True)
class AmountRange:
    """Sums from `minimum_minor` to `maximum_minor`, whole multiples of `step_minor`, in our minor units of the currency."""

    minimum_minor: int = 1
    maximum_minor: int = MAX_AMOUNT_MINOR
    step_minor: int = 1


ANY_AMOUNT: Final[Mapping[str, AmountRange]] = dict.fromkeys(EXPONENTS, AmountRange())
"""Every sum of every currency that we know."""


def not_taken(provider: str, currencies: Mapping[str, AmountRange], money: Money, request_id: str) -> Refused | None:
    """Why `provider` cannot take this sum; None when it can."""
    within = currencies.get(money.currency)
    if within is None:
        return _refused("currency_not_available", f"{provider} does not take {money.currency}.", "currency", request_id)
    if money.amount_minor < within.minimum_minor:
        least = Money(within.minimum_minor, money.currency).major
        return _refused("amount_not_available", f"{provider} takes at least {least} {money.currency}.", "amount", request_id)
    if money.amount_minor > within.maximum_minor:
        most = Money(within.maximum_minor, money.currency).major
        return _refused("amount_not_available", f"{provider} takes at most {most} {money.currency}.", "amount", request_id)
    if money.amount_minor % within.step_minor:
        step = Money(within.step_minor, money.currency).major
        return _refused("amount_not_available", f"{provider} takes whole multiples of {step} {money.currency}.", "amount", request_id)
    return None


def lacks(provider: str, operation: str, request_id: str) -> Refused:
    """The provider has no such operation: `operation` is a field of Capabilities."""
    return Refused(code="operation_not_supported", detail=f"{provider} has no operation {operation}.", request_id=request_id)


def _refused(code: str, detail: str, field: str, request_id: str) -> Refused:
    return Refused(code=code, detail=detail, errors=(FieldProblem(loc=("body", field), msg=detail.rstrip(".")),), request_id=request_id)
