"""The gateway's own book: every transaction, and which moves its state allows; pure, told the time by its caller."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tests.emulators.allsecure.signing import BodyHash
from tests.emulators.allsecure.transactions import (
    FAILURES,
    OUTCOMES,
    PAYER_DECIDES,
    PENDING,
    SUCCESS,
    TOKENS,
    UNDECIDED,
    Failure,
    IllegalMove,
    Kind,
    Refusal,
    Request,
    Status,
    Transaction,
)

DUPLICATE: Final = 3004
_VALIDATION: Final = 1002
_ILLOGICAL: Final = 1006  # "a logical error, e.g. referenced transaction was not successful", says the PHP client
_TRANSACTIONS_MAX: Final = 200_000
_CHARGED: Final = frozenset({Kind.DEBIT, Kind.CAPTURE})
_OPEN: Final = frozenset({Status.SUCCESS, Status.PENDING})


class Book:
    """Transactions by uuid, and by connector and merchantTransactionId. Each move returns the transaction as it is then; those of the
    past that somebody still holds do not change."""

    def __init__(self, *, clock: Callable[[], datetime], seed: int | None = None, reservation_days: Callable[[], int] = lambda: 7) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._reservation_days = reservation_days
        self._transactions: dict[str, Transaction] = {}
        self._uuids: dict[tuple[str, str], str] = {}
        self._about: dict[str, list[str]] = {}
        self._chosen: dict[Kind, deque[str]] = {}
        self._usual: dict[Kind, str] = {}

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._transactions.values()))

    def __len__(self) -> int:
        return len(self._transactions)

    def get(self, uuid: str) -> Transaction | None:
        return self._transactions.get(uuid)

    def find(self, connector: str, merchant_transaction_id: str) -> Transaction | None:
        """By the connector's own id of it."""
        uuid = self._uuids.get((connector, merchant_transaction_id))
        return None if uuid is None else self._transactions[uuid]

    def about(self, uuid: str, *kinds: Kind) -> list[Transaction]:
        """Transactions of these kinds that refer to this one, oldest first."""
        return [one for one in map(self._transactions.__getitem__, self._about.get(uuid, ())) if one.kind in kinds]

    def choose(self, kind: Kind, outcome: str, *, times: int | None = 1) -> None:
        """What comes of the next `times` transactions of the kind that no payer decides on; None: of all from now on. ValueError."""
        if outcome not in OUTCOMES:
            raise ValueError(f"no outcome is called {outcome!r}; there are {', '.join(OUTCOMES)}")
        if times is None:
            self._usual[kind] = outcome
        elif 0 < times <= 10_000:
            self._chosen.setdefault(kind, deque()).extend([outcome] * times)
        else:
            raise ValueError("between 1 and 10,000 times")

    def submit(self, connector: str, request: Request, body_hash: BodyHash = BodyHash.SHA512, *, asks_3ds: bool = False) -> Transaction:
        """The transaction that a call makes. Refusal: it makes none."""
        if self.find(connector, request.merchant_transaction_id) is not None:
            raise Refusal(DUPLICATE, f"the transaction ID {request.merchant_transaction_id!r} already exists")
        original = self._original(connector, request)
        status, failure, at_3ds = self._beginning(request, original)
        transaction = self._new(connector, request, body_hash, status, failure=failure, original=original.uuid if original else None)
        if status is Status.REDIRECT:
            transaction = replace(transaction, page_key=f"{self._random.getrandbits(128):032x}", at_3ds=at_3ds, asks_3ds=asks_3ds)
        return self._keep(transaction)

    def settle(self, uuid: str, outcome: str) -> Transaction:
        """The payer, or the bank behind the gateway, has decided. IllegalMove: it is decided already."""
        transaction = self._transactions[uuid]
        if transaction.status not in UNDECIDED or (outcome == PENDING and transaction.status is Status.PENDING):
            raise IllegalMove(f"{transaction.kind} {uuid} is {transaction.status}")
        status, failure = _came_to(outcome)
        return self._change(transaction, status, failure)

    def ask_3ds(self, uuid: str) -> Transaction:
        """The payer is sent to the bank's own page."""
        transaction = self._transactions[uuid]
        if transaction.status is not Status.REDIRECT:
            raise IllegalMove(f"{transaction.kind} {uuid} is {transaction.status}")
        return self._keep(replace(transaction, at_3ds=True, changed_at=self._clock()))

    def overturn(self, uuid: str, failure: Failure = FAILURES["adapter"]) -> Transaction:
        """What had succeeded turns out to have failed, as a refund whose card is closed. IllegalMove: it had not, or is a chargeback."""
        transaction = self._transactions[uuid]
        if transaction.status is not Status.SUCCESS or transaction.kind in (Kind.CHARGEBACK, Kind.CHARGEBACK_REVERSAL):
            raise IllegalMove(f"{transaction.kind} {uuid} is {transaction.status}")
        return self._change(transaction, Status.ERROR, failure)

    def refund_by_gateway(self, uuid: str, amount_minor: int) -> Transaction:
        """A refund made at the gateway's own site, under an id of its own. IllegalMove: more than is left of the charge."""
        charge = self._transactions[uuid]
        problem = self._unfit_for_refund(charge, amount_minor, charge.request.currency)
        if problem is not None:
            raise IllegalMove(problem)
        return self._keep(self._new_auto(charge, Kind.REFUND, amount_minor))

    def charge_back(self, uuid: str, amount_minor: int, reason: str) -> Transaction:
        """The card's owner takes the money back. IllegalMove: nothing was charged, or less than is taken back."""
        charge = self._transactions[uuid]
        if charge.kind not in _CHARGED or charge.status is not Status.SUCCESS:
            raise IllegalMove(f"{charge.kind} {uuid} is {charge.status}: nothing to take back")
        if not 0 < amount_minor <= charge.amount_minor - self.charged_back_minor(uuid):
            raise IllegalMove(f"{amount_minor} is not what can be taken back of {charge.amount_minor}")
        return self._keep(replace(self._new_auto(charge, Kind.CHARGEBACK, amount_minor), reason=reason))

    def reverse_chargeback(self, uuid: str, reason: str) -> Transaction:
        """A chargeback is given up, whole. IllegalMove: it is none, or was reversed before."""
        chargeback = self._transactions[uuid]
        if chargeback.kind is not Kind.CHARGEBACK or chargeback.original is None:
            raise IllegalMove(f"{uuid} is no chargeback")
        charge = self._transactions[chargeback.original]
        if any(one.chargeback == uuid for one in self.about(charge.uuid, Kind.CHARGEBACK_REVERSAL)):
            raise IllegalMove(f"{uuid} is reversed already")
        reversal = self._new_auto(charge, Kind.CHARGEBACK_REVERSAL, chargeback.amount_minor)
        return self._keep(replace(reversal, chargeback=uuid, reason=reason))

    def refunded_minor(self, uuid: str) -> int:
        """Given back of a charge, or on its way."""
        return self._sum(uuid, Kind.REFUND)

    def charged_back_minor(self, uuid: str) -> int:
        """Taken back by card owners and not returned."""
        return self._sum(uuid, Kind.CHARGEBACK) - self._sum(uuid, Kind.CHARGEBACK_REVERSAL)

    def _beginning(self, request: Request, original: Transaction | None) -> tuple[Status, Failure | None, bool]:
        problem = self._unfit(request, original)
        if problem is not None:
            return Status.ERROR, Failure(_ILLOGICAL, problem), False
        if request.token is not None:
            outcome = TOKENS.get(request.token)
            if outcome is None:
                raise Refusal(_VALIDATION, "transactionToken is unknown")
            if outcome == "3ds":
                return Status.REDIRECT, None, True
            return *_came_to(outcome if outcome != SUCCESS else self._outcome(request.kind)), False
        if request.kind in PAYER_DECIDES and original is None:
            return Status.REDIRECT, None, False
        return *_came_to(self._outcome(request.kind)), False

    def _outcome(self, kind: Kind) -> str:
        waiting = self._chosen.get(kind)
        return waiting.popleft() if waiting else self._usual.get(kind, SUCCESS)

    def _original(self, connector: str, request: Request) -> Transaction | None:
        if request.reference_uuid is None:
            return None
        original = self._transactions.get(request.reference_uuid)
        if original is None or original.connector != connector:
            raise Refusal(_VALIDATION, "referenceUuid is unknown")
        return original

    def _unfit(self, request: Request, original: Transaction | None) -> str | None:
        """Why the referenced transaction does not allow this one."""
        if original is None:
            return None
        amount_minor = request.amount_minor or 0
        match request.kind:
            case Kind.REFUND:
                return self._unfit_for_refund(original, amount_minor, request.currency)
            case Kind.CAPTURE | Kind.VOID | Kind.INCREMENTAL_AUTHORIZATION:
                return self._unfit_reservation(request, original)
            case Kind.DEREGISTER | Kind.DEBIT | Kind.PREAUTHORIZE:
                return None if self._is_registration(original) else "the referenced transaction is no stored instrument"
            case Kind.PAYOUT:
                fits = original.status is Status.SUCCESS and (original.kind in _CHARGED or self._is_registration(original))
                return None if fits else "the referenced transaction was not successful"
        return None

    def _unfit_for_refund(self, charge: Transaction, amount_minor: int, currency: str | None) -> str | None:
        if charge.kind not in _CHARGED or charge.status is not Status.SUCCESS:
            return "the referenced transaction was not successful"
        if currency != charge.request.currency:
            return "the currency is another than the referenced transaction's"
        # That money which the card's owner has taken back cannot be refunded besides is an assumption: nothing says so.
        left = charge.amount_minor - self.refunded_minor(charge.uuid) - self.charged_back_minor(charge.uuid)
        return None if 0 < amount_minor <= left else "the amount is more than is left of the referenced transaction"

    def _unfit_reservation(self, request: Request, reservation: Transaction) -> str | None:
        if reservation.kind is not Kind.PREAUTHORIZE or reservation.status is not Status.SUCCESS:
            return "the referenced transaction was not successful"
        if self.about(reservation.uuid, Kind.VOID) and self._succeeded(reservation.uuid, Kind.VOID):
            return "the reservation was released"
        if self._clock() - reservation.created_at > timedelta(days=self._reservation_days()):
            return "the reservation has ended"
        captured = self._sum(reservation.uuid, Kind.CAPTURE)
        if request.kind is Kind.VOID:
            return "the reservation was captured" if captured else None
        if request.currency != reservation.request.currency:
            return "the currency is another than the referenced transaction's"
        reserved = reservation.amount_minor + self._sum(reservation.uuid, Kind.INCREMENTAL_AUTHORIZATION)
        if request.kind is Kind.CAPTURE and captured + (request.amount_minor or 0) > reserved:
            return "the amount is more than is left of the referenced transaction"
        return None

    def _is_registration(self, transaction: Transaction) -> bool:
        stored = transaction.kind is Kind.REGISTER or transaction.request.with_register
        return stored and transaction.status is Status.SUCCESS and not self._succeeded(transaction.uuid, Kind.DEREGISTER)

    def _succeeded(self, uuid: str, kind: Kind) -> bool:
        return any(one.status in _OPEN for one in self.about(uuid, kind))

    def _sum(self, uuid: str, kind: Kind) -> int:
        return sum(one.amount_minor for one in self.about(uuid, kind) if one.status in _OPEN)

    def _new_auto(self, charge: Transaction, kind: Kind, amount_minor: int) -> Transaction:
        """A transaction that the gateway makes; its callback goes where the charge's went, signed in the same way."""
        request = Request(
            kind=kind,
            merchant_transaction_id=f"auto-{self._fresh_id(self._clock())}",
            amount_minor=amount_minor,
            currency=charge.request.currency,
            reference_uuid=charge.uuid,
            callback_url=charge.request.callback_url or self._callback_url_before(charge),
        )
        return self._new(charge.connector, request, charge.body_hash, Status.SUCCESS, original=charge.uuid)

    def _callback_url_before(self, charge: Transaction) -> str | None:
        """A capture without an address of its own: that of the reservation."""
        earlier = self._transactions.get(charge.original or "")
        return earlier.request.callback_url if earlier is not None else None

    def _new(
        self,
        connector: str,
        request: Request,
        body_hash: BodyHash,
        status: Status,
        *,
        failure: Failure | None = None,
        original: str | None = None,
    ) -> Transaction:
        if len(self._transactions) >= _TRANSACTIONS_MAX:
            raise Refusal(1008, "the emulator's book is full")
        now = self._clock()
        return Transaction(
            self._fresh_id(now), connector, request.kind, status, request, body_hash, now, now, original=original, failure=failure
        )

    def _fresh_id(self, now: datetime) -> str:
        """20 hex characters. The time is in it, so that two runs from one seed share no ids in a merchant's database that outlives them."""
        return f"{int(now.timestamp()):08x}{self._random.getrandbits(48):012x}"

    def _change(self, transaction: Transaction, status: Status, failure: Failure | None) -> Transaction:
        return self._keep(replace(transaction, status=status, failure=failure, changed_at=self._clock()))

    def _keep(self, transaction: Transaction) -> Transaction:
        if transaction.uuid not in self._transactions:
            self._uuids[transaction.connector, transaction.reference] = transaction.uuid
            if transaction.original is not None:
                self._about.setdefault(transaction.original, []).append(transaction.uuid)
        self._transactions[transaction.uuid] = transaction
        return transaction


def _came_to(outcome: str) -> tuple[Status, Failure | None]:
    if outcome == SUCCESS:
        return Status.SUCCESS, None
    if outcome == PENDING:
        return Status.PENDING, None
    return (Status.CANCELLED if outcome == "cancelled" else Status.ERROR), FAILURES[outcome]
