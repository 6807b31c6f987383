"""Starting a top-up, as the API and the pages do it: one command, and which sums a method takes for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from services.gateway.auth import Caller
from services.gateway.commands import Issued
from services.gateway.requests import DEPOSIT
from shared.contracts.checkout import AmountLimits, MethodView
from shared.contracts.payment_commands import CreateDeposit, DepositCreated
from shared.money import EXPONENTS, Money

PURPOSE: Final = "deposit"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `method` none: the first one configured. `locale`: of the pages that follow."""

    money: Money
    method: str | None
    locale: str
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Why a method does not take a sum. `limit_minor`: what the sum is measured by; 0 where the currency itself is not taken."""

    why: Literal["currency", "minimum", "maximum", "step"]
    limit_minor: int = 0


async def start_deposit(issued: Issued, caller: Caller, wanted: Wanted) -> tuple[DepositCreated, bool] | None:
    """Where the payer goes on, and whether that is a replay; None while nobody knows: the payment, whose id is `issued.resource_id`,
    tells the rest. Problems: as Issued.ask."""
    command = CreateDeposit(
        **issued.envelope,
        payment_id=issued.resource_id,
        user_id=caller.user_id,
        amount_minor=wanted.money.amount_minor,
        currency=wanted.money.currency,
        method=wanted.method,
        locale=wanted.locale,
        external_id=wanted.external_id,
        metadata=dict(wanted.metadata),
    )
    return await issued.ask(command, DEPOSIT)


def deposit_methods(methods: Iterable[MethodView]) -> tuple[MethodView, ...]:
    """Those that a balance can be topped up by, in the order in which they are chosen where none is named."""
    return tuple(method for method in methods if PURPOSE in method.pays_for and any(one.currency in EXPONENTS for one in method.limits))


def limits_of(method: MethodView, currency: str) -> AmountLimits | None:
    """None: the method does not take the currency."""
    return next((limits for limits in method.limits if limits.currency == currency), None)


def not_taken(method: MethodView, money: Money) -> NotTaken | None:
    """Why payments would refuse this sum by this method, by what it has told of its limits; None when it would not."""
    limits = limits_of(method, money.currency)
    if limits is None:
        return NotTaken("currency")
    if money.amount_minor < limits.minimum_minor:
        return NotTaken("minimum", limits.minimum_minor)
    if money.amount_minor > limits.maximum_minor:
        return NotTaken("maximum", limits.maximum_minor)
    if money.amount_minor % limits.step_minor:
        return NotTaken("step", limits.step_minor)
    return None
