"""The gateway's book as somebody reads it who compares it with another; amounts in minor units and as the wire has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.emulators.allsecure.amounts import amount_text
from tests.emulators.allsecure.book import Book
from tests.emulators.allsecure.transactions import Kind, Status, Transaction


@dataclass(frozen=True, slots=True)
class Entry:
    """`reference`: the merchant's merchantTransactionId, `auto-…` where the gateway made it. `kind`, `status`: the gateway's words.
    `failure`: the code of an error."""

    reference: str
    kind: str
    connector: str
    amount: str
    amount_minor: int
    currency: str
    status: str
    failure: int | None


@dataclass(frozen=True, slots=True)
class Charge(Entry):
    """A debit, a capture, or what may become one. `charge`: its uuid."""

    charge: str
    refunded_minor: int
    charged_back_minor: int


@dataclass(frozen=True, slots=True)
class Refund(Entry):
    """`refund`: its uuid; `charge`: that of what is given back."""

    refund: str
    charge: str


@dataclass(frozen=True, slots=True)
class Dispute(Entry):
    """A chargeback, or with `reverses` (the chargeback's uuid) the end of one. `dispute`: its uuid."""

    dispute: str
    charge: str
    reverses: str | None


@dataclass(frozen=True, slots=True)
class Payout(Entry):
    """`payout`: its uuid; `charge`: of the payment to whose card it went, if it was one."""

    payout: str
    charge: str | None


def charge_of(book: Book, transaction: Transaction) -> Charge:
    return Charge(
        *_entry(transaction),
        charge=transaction.uuid,
        refunded_minor=book.refunded_minor(transaction.uuid),
        charged_back_minor=book.charged_back_minor(transaction.uuid),
    )


def refund_of(transaction: Transaction) -> Refund:
    return Refund(*_entry(transaction), refund=transaction.uuid, charge=transaction.original or "")


def dispute_of(transaction: Transaction) -> Dispute:
    return Dispute(*_entry(transaction), dispute=transaction.uuid, charge=transaction.original or "", reverses=transaction.chargeback)


def payout_of(transaction: Transaction) -> Payout:
    return Payout(*_entry(transaction), payout=transaction.uuid, charge=transaction.original)


def of_kinds(book: Iterable[Transaction], *kinds: Kind, taken: bool = False) -> list[Transaction]:
    """`taken`: only what has succeeded."""
    return [one for one in book if one.kind in kinds and (one.status is Status.SUCCESS or not taken)]


def _entry(transaction: Transaction) -> tuple[str, str, str, str, int, str, str, int | None]:
    currency = transaction.request.currency or ""
    return (
        transaction.reference,
        transaction.kind.value,
        transaction.connector,
        amount_text(transaction.amount_minor, currency) if currency else "",
        transaction.amount_minor,
        currency,
        transaction.status.value,
        None if transaction.failure is None else transaction.failure.code,
    )
