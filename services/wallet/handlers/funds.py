"""Moves and holds funds when it is commanded to: each command one transaction, and one command however often it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter

from services.wallet import domain, store
from services.wallet.domain import (
    AccountKind,
    AccountName,
    AlreadyReleased,
    AlreadySettled,
    CreditNotPosted,
    Hold,
    HoldNotFound,
    HoldState,
    InsufficientFunds,
    Outcome,
    ReferenceConflict,
    Transfer,
    WalletError,
)
from services.wallet.references import CommittedReferences
from shared.contracts.base import Message
from shared.contracts.payment_commands import Refused
from shared.contracts.wallet_commands import (
    FundsMoved,
    FundsReserved,
    HoldReleased,
    HoldSettled,
    MoveFunds,
    ReleaseHold,
    ReserveFunds,
    SettleHold,
)
from shared.delivery.errors import Permanent
from shared.delivery.failures import describe
from shared.money import MoneyError
from shared.postgres import Connection, Pool, transaction
from shared.waiting import Waiters

log = structlog.get_logger(__name__)

COMMANDS: Final = Counter("purser_wallet_commands_total", "Commands to move or hold funds", ["command", "outcome"])

CREDIT_WAIT_SECONDS: Final = 2.0
"""How long a command waits for the credit that it comes after; whoever gave it asks again later."""

_REFUSALS: Final[dict[type[WalletError], tuple[str, str]]] = {
    InsufficientFunds: ("insufficient_funds", "The available balance is less than the amount."),
    CreditNotPosted: ("credit_not_posted", "The payment has not been credited yet."),
    ReferenceConflict: ("reference_conflict", "This reference was used before with other facts."),
    HoldNotFound: ("hold_not_found", "Nothing was held under this reference."),
    AlreadyReleased: ("hold_released", "What was held under this reference was released."),
    AlreadySettled: ("hold_settled", "What was held under this reference has left."),
}


class Funds:
    """`on_committed` is told the references that are in the journal now. Decisions come back as answers; Permanent: it can never be done;
    whatever else is raised has changed nothing."""

    def __init__(
        self, pool: Pool, waiters: Waiters[str], committed: CommittedReferences, on_committed: Callable[[Sequence[str]], None]
    ) -> None:
        self._pool = pool
        self._waiters = waiters
        self._committed = committed
        self._on_committed = on_committed

    async def move(self, command: MoveFunds) -> FundsMoved | Refused:
        try:
            with _failing_for_good():
                transfers = domain.moves(command)
                await self._wait_for(command.after)
                async with self._once(command.reference) as tx:
                    await _post_set(tx, transfers)
        except WalletError as error:
            return _refused(command, command.reference, error)
        self._done(command, transfers)
        return FundsMoved(reference=command.reference)

    async def reserve(self, command: ReserveFunds) -> FundsReserved | Refused:
        try:
            with _failing_for_good():
                terms = domain.terms_of(command)
                await self._wait_for(command.after)
                async with self._once(command.reference) as tx:
                    user = AccountName(AccountKind.USER, terms.user_id)
                    available = await store.lock_accounts(tx, [user, domain.held_account(terms)], terms.money.currency)
                    hold, transfers = await _held(tx, command, available[user])
        except WalletError as error:
            return _refused(command, command.reference, error)
        self._done(command, transfers)
        return FundsReserved(reference=hold.reference, held_minor=hold.held_minor)

    async def settle(self, command: SettleHold) -> HoldSettled | Refused:
        try:
            with _failing_for_good():
                async with transaction(self._pool) as tx:
                    known = await store.find_hold(tx, command.reference)
                    if known is None:
                        raise HoldNotFound("nothing was held under this reference")
                    await _lock(tx, known, domain.settle(command, known)[1])
                    known = await _now(tx, known)
                    hold, transfers = domain.settle(command, known)
                    if known.state is HoldState.HELD:
                        await store.end_hold(tx, hold)
                    if transfers and await _post_set(tx, transfers) is not (known.state is HoldState.HELD):
                        raise ReferenceConflict("settled with other facts")
        except WalletError as error:
            return _refused(command, command.reference, error)
        self._done(command, transfers)
        return HoldSettled(reference=hold.reference, settled_minor=hold.held_minor)

    async def release(self, command: ReleaseHold) -> HoldReleased | Refused:
        try:
            with _failing_for_good():
                async with transaction(self._pool) as tx:
                    hold, transfers = await _released(tx, command)
        except WalletError as error:
            return _refused(command, command.reference, error)
        self._done(command, transfers)
        return HoldReleased(reference=hold.reference, released_minor=hold.held_minor)

    @asynccontextmanager
    async def _once(self, reference: str) -> AsyncIterator[Connection]:
        """A transaction for the one command of `reference`. When the balance does not cover it, that is its end: nothing is done now or
        when it comes again, since whoever gave it may have been told so."""
        refused: InsufficientFunds | None = None
        async with transaction(self._pool) as tx:
            await store.take_turn(tx, reference)
            if await store.was_refused(tx, reference):
                raise InsufficientFunds("refused before")
            try:
                async with tx.transaction():
                    yield tx
            except InsufficientFunds as error:
                await store.refuse_for_good(tx, reference)
                refused = error
        if refused is not None:
            raise refused

    async def _wait_for(self, credit: str | None) -> None:
        """Returns when `credit` is in the journal; CreditNotPosted when it is not there in time."""
        if credit is None:
            return
        if not await self._waiters.until(credit, lambda: self._committed.has(credit), bool, CREDIT_WAIT_SECONDS):
            raise CreditNotPosted("the credit is not in the journal")

    def _done(self, command: Message, transfers: Sequence[Transfer]) -> None:
        COMMANDS.labels(command.TYPE, "done").inc()
        references = [transfer.reference for transfer in transfers]
        log.info("funds", command=command.TYPE, references=references, correlation_id=command.correlation_id)
        self._on_committed(references)


async def _held(tx: Connection, command: ReserveFunds, available_minor: int) -> tuple[Hold, tuple[Transfer, ...]]:
    """The hold, new or known; the user's account is locked."""
    known = await store.find_hold(tx, command.reference)
    if known is None:
        hold, transfers = domain.reserve(command, available_minor)
        if await store.add_hold(tx, hold):
            if transfers and not await _post_set(tx, transfers):
                raise ReferenceConflict("the reference is a transfer's, not a hold's")
            return hold, transfers
        # Released beforehand, or reserved for another user, since it was looked for: both are committed now.
        known = await store.find_hold(tx, command.reference)
    assert known is not None
    return domain.reserve_again(command, known), ()


async def _released(tx: Connection, command: ReleaseHold) -> tuple[Hold, tuple[Transfer, ...]]:
    known = await store.find_hold(tx, command.reference)
    if known is None:
        hold = domain.released_beforehand(command)
        if await store.add_hold(tx, hold):
            return hold, ()
        known = await store.find_hold(tx, command.reference)  # it came since it was looked for
        assert known is not None
    await _lock(tx, known, ())
    known = await _now(tx, known)
    hold, transfers = domain.release(command, known)
    if known.state is HoldState.HELD:
        await store.end_hold(tx, hold)
        if transfers and not await _post_set(tx, transfers):
            raise ReferenceConflict("the reference of the release is another transfer's")
    return hold, transfers


async def _lock(tx: Connection, hold: Hold, transfers: Iterable[Transfer]) -> None:
    """Locks the hold's user and all that `transfers` touch, in the order in which everybody locks."""
    if hold.terms is None:
        return
    names = {AccountName(AccountKind.USER, hold.terms.user_id), domain.held_account(hold.terms)}
    names.update(side for transfer in transfers for side in (transfer.source, transfer.target))
    await store.lock_accounts(tx, names, hold.terms.money.currency)


async def _now(tx: Connection, hold: Hold) -> Hold:
    """The hold as it is under the lock of its account."""
    known = await store.find_hold(tx, hold.reference)
    assert known is not None  # holds are not deleted
    return known


async def _post_set(tx: Connection, transfers: Sequence[Transfer]) -> bool:
    """True: posted as a whole now; False: as a whole before. ReferenceConflict when before it was another set."""
    outcomes = set(await store.post_transfers(tx, transfers))
    if outcomes == {Outcome.POSTED}:
        return True
    longer = domain.leg_reference(transfers[0].reference, len(transfers))
    if outcomes != {Outcome.DUPLICATE} or await store.posted_references(tx, [longer]):
        raise ReferenceConflict("posted before with other facts")
    return False


@contextmanager
def _failing_for_good() -> Generator[None, None, None]:
    """What the database can never hold (SQLSTATE classes 22 and 23), and what is no transfer or no money, will not get better."""
    try:
        yield
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, MoneyError) as error:
        raise Permanent(describe(error)) from error
    except WalletError as error:
        if type(error) in _REFUSALS:
            raise
        raise Permanent(describe(error)) from error


def _refused(command: Message, reference: str, error: WalletError) -> Refused:
    code, detail = _REFUSALS[type(error)]
    COMMANDS.labels(command.TYPE, code).inc()
    level = log.error if isinstance(error, ReferenceConflict) else log.info
    level("funds refused", command=command.TYPE, reference=reference, code=code, reason=str(error), correlation_id=command.correlation_id)
    return Refused(code=code, detail=detail, request_id=command.correlation_id)
