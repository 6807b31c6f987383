"""The wallet's vocabulary: accounts and transfers between them; which transfers a completed payment, a command or a hold is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.wallet_commands import Account, MoveFunds, ReleaseHold, ReserveFunds, SettleHold
from shared.money import Money

PLATFORM: Final = "platform"
FROM_BALANCE: Final = "balance"
"""The provider whose payments are paid from a balance."""


class WalletError(Exception):
    """A rule of the book stands against it."""


class InsufficientFunds(WalletError):
    """The account's available balance is less than the amount."""


class ReferenceConflict(WalletError):
    """The reference was posted before with other facts: another sum, another owner or another payment."""


class CreditNotPosted(WalletError):
    """The credit that this waits for has not been posted yet."""


class HoldNotFound(WalletError):
    """Nothing was held under this reference."""


class AlreadyReleased(WalletError):
    """The hold was released; nothing is held under this reference any more."""


class AlreadySettled(WalletError):
    """The hold was settled; its money has left."""


class AccountKind(StrEnum):
    """`USER` accounts keep a running balance. `HELD` is what a user has held, its sum is the user's held balance. The platform's own
    keep none, their sums come from the transfers."""

    USER = "user"
    HELD = "held"
    CLEARING = "clearing"
    FEES = "fees"
    REVENUE = "revenue"
    LOSS = "loss"
    SUSPENSE = "suspense"


@dataclass(frozen=True, slots=True)
class AccountName:
    """Names an account; its currency is that of the transfer. `owner`: a user's id, a provider, or 'platform'."""

    kind: AccountKind
    owner: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """`money` (above zero) moves from `source` to `target`; `reference` makes it the same transfer however often it is asked for."""

    reference: str
    kind: str
    source: AccountName
    target: AccountName
    money: Money
    payment_id: UUID | None
    description: str
    correlation_id: str
    occurred_at: datetime

    def __post_init__(self) -> None:
        if self.money.amount_minor <= 0:
            raise WalletError("a transfer moves more than zero")
        if self.source == self.target:
            raise WalletError("a transfer has two different accounts")


class Outcome(StrEnum):
    """What became of a transfer that was to be posted; the words are those of wallet.post_transfers."""

    POSTED = "posted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def credits(payment: PaymentCompleted) -> tuple[Transfer, ...]:
    """A provider's proven payment moves from the provider's clearing account: to whom it is for, less the fee, and the fee to the platform.
    A payment from the balance was posted as a whole when it was commanded: there is nothing left to credit."""
    if payment.provider == FROM_BALANCE:
        return ()
    clearing = AccountName(AccountKind.CLEARING, payment.provider)
    net = Transfer(
        reference=payment.credit_reference,
        kind="payment" if payment.kind == "order" else payment.kind,
        source=clearing,
        target=AccountName(AccountKind.REVENUE, PLATFORM) if payment.user_id is None else AccountName(AccountKind.USER, payment.user_id),
        money=Money(payment.amount_minor - payment.fee_minor, payment.currency),
        payment_id=payment.payment_id,
        description=payment.description,
        correlation_id=payment.correlation_id,
        occurred_at=payment.completed_at,
    )
    if payment.fee_minor == 0:
        return (net,)
    fee = replace(
        net,
        reference=leg_reference(payment.credit_reference, 1),
        kind="fee",
        target=AccountName(AccountKind.FEES, PLATFORM),
        money=Money(payment.fee_minor, payment.currency),
    )
    return net, fee


def leg_reference(reference: str, number: int) -> str:
    """What leg `number` (from 0) of a set of transfers is posted under: the first under the set's own reference."""
    return f"{reference}#{number}" if number else reference


def moves(command: MoveFunds) -> tuple[Transfer, ...]:
    """The command's legs, in their order."""
    return _set(
        command.reference,
        (
            Transfer(
                reference=command.reference,
                kind=leg.kind or command.kind,
                source=account(leg.source),
                target=account(leg.target),
                money=Money(leg.amount_minor, command.currency),
                payment_id=command.payment_id,
                description=command.description,
                correlation_id=command.correlation_id,
                occurred_at=command.occurred_at,
            )
            for leg in command.legs
        ),
    )


class HoldState(StrEnum):
    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """What was asked for: the same reference with other terms is a conflict."""

    user_id: str
    kind: str
    money: Money
    up_to: bool
    payment_id: UUID | None


@dataclass(frozen=True, slots=True)
class Hold:
    """`held_minor` of a user's money on its way out, or that was. `terms` none: released before it came."""

    reference: str
    state: HoldState
    terms: HoldTerms | None
    held_minor: int
    description: str
    correlation_id: str


def terms_of(command: ReserveFunds) -> HoldTerms:
    money = Money(command.amount_minor, command.currency)
    return HoldTerms(command.user_id, command.kind, money, command.up_to, command.payment_id)


def reserve(command: ReserveFunds, available_minor: int) -> tuple[Hold, tuple[Transfer, ...]]:
    """A new hold, and the transfer to what the user has held; none when there is nothing to hold. InsufficientFunds."""
    terms = terms_of(command)
    held_minor = max(0, min(available_minor, command.amount_minor)) if command.up_to else command.amount_minor
    if held_minor > available_minor and held_minor > 0:
        raise InsufficientFunds("available is less than the amount")
    hold = Hold(command.reference, HoldState.HELD, terms, held_minor, command.description, command.correlation_id)
    user = AccountName(AccountKind.USER, command.user_id)
    return hold, _of_hold(hold, command, command.reference, user, held_account(terms))


def reserve_again(command: ReserveFunds, known: Hold) -> Hold:
    """The hold that this command made before. AlreadyReleased when it is one no more; ReferenceConflict when it was another."""
    if known.terms is not None and known.terms != terms_of(command):
        raise ReferenceConflict("held before with other facts")
    if known.state is HoldState.RELEASED:
        raise AlreadyReleased("released")
    return known


def settle(command: SettleHold, known: Hold) -> tuple[Hold, tuple[Transfer, ...]]:
    """The hold settled, and the transfers that settle it: what was held to its target, and the command's legs. A hold that is settled
    already has the same ones. AlreadyReleased."""
    if known.state is HoldState.RELEASED or known.terms is None:
        raise AlreadyReleased("released")
    reference = f"{known.reference}:settle"
    leaving = _of_hold(known, command, reference, held_account(known.terms), account(command.target))
    legs = (
        Transfer(
            reference=reference,
            kind=leg.kind or known.terms.kind,
            source=account(leg.source),
            target=account(leg.target),
            money=Money(leg.amount_minor, known.terms.money.currency),
            payment_id=known.terms.payment_id,
            description=known.description,
            correlation_id=command.correlation_id,
            occurred_at=command.occurred_at,
        )
        for leg in command.legs
    )
    return replace(known, state=HoldState.SETTLED), _set(reference, (*leaving, *legs))


def release(command: ReleaseHold, known: Hold) -> tuple[Hold, tuple[Transfer, ...]]:
    """The hold released, and the transfer that gives the money back; the same when it was released already. AlreadySettled."""
    if known.state is HoldState.SETTLED:
        raise AlreadySettled("settled")
    if known.terms is None:
        return known, ()
    user = AccountName(AccountKind.USER, known.terms.user_id)
    transfers = _of_hold(known, command, f"{known.reference}:release", held_account(known.terms), user)
    return replace(known, state=HoldState.RELEASED), transfers


def released_beforehand(command: ReleaseHold) -> Hold:
    """Keeps a hold that has not come yet from coming."""
    return Hold(command.reference, HoldState.RELEASED, None, 0, "", command.correlation_id)


def held_account(terms: HoldTerms) -> AccountName:
    return AccountName(AccountKind.HELD, terms.user_id)


def account(named: Account) -> AccountName:
    return AccountName(AccountKind(named.kind), named.owner)


def _of_hold(
    hold: Hold, command: ReserveFunds | SettleHold | ReleaseHold, reference: str, source: AccountName, target: AccountName
) -> tuple[Transfer, ...]:
    if hold.terms is None or hold.held_minor == 0:
        return ()
    return (
        Transfer(
            reference=reference,
            kind=hold.terms.kind,
            source=source,
            target=target,
            money=Money(hold.held_minor, hold.terms.money.currency),
            payment_id=hold.terms.payment_id,
            description=hold.description,
            correlation_id=command.correlation_id,
            occurred_at=command.occurred_at,
        ),
    )


def _set(reference: str, transfers: Iterable[Transfer]) -> tuple[Transfer, ...]:
    return tuple(replace(transfer, reference=leg_reference(reference, number)) for number, transfer in enumerate(transfers))
