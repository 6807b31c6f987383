"""Credits completed payments, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter

from services.wallet import store
from services.wallet.domain import Outcome, ReferenceConflict, Transfer, WalletError, credits
from shared.contracts.payment_events import PaymentCompleted
from shared.delivery.errors import Permanent
from shared.delivery.failures import Failure, describe
from shared.money import MoneyError
from shared.postgres import Pool, connection, transaction

log = structlog.get_logger(__name__)

TRANSFERS: Final = Counter("purser_wallet_transfers_total", "Credits asked for", ["outcome"])

_CONFLICT: Final = f"{ReferenceConflict.__name__}: {ReferenceConflict.__doc__}"


class Credits:
    """Credits completed payments, one transaction a batch. `on_committed` is told the references that are in the journal now."""

    def __init__(self, pool: Pool, on_committed: Callable[[Sequence[str]], None]) -> None:
        self._pool = pool
        self._on_committed = on_committed

    async def handle(self, events: Sequence[PaymentCompleted]) -> Sequence[Failure]:
        """Posts the credits of `events`; those that can never be posted come back as failures. Raises: nothing of the batch happened."""
        sets, positions, failures = _instructions(events)
        outcomes = await self._post(sets)
        committed = []
        for position, transfers, outcome in zip(positions, sets, outcomes, strict=True):
            credit = transfers[0]
            TRANSFERS.labels(outcome.value).inc()
            if outcome is Outcome.CONFLICT:
                # Money of somebody is at stake: never a duplicate to be passed over in silence.
                log.error("reference conflict", reference=credit.reference, correlation_id=credit.correlation_id)
                failures.append(Failure(position, Permanent(_CONFLICT)))
                continue
            committed.append(credit.reference)
            log.info(
                "credit",
                outcome=outcome.value,
                reference=credit.reference,
                account=credit.target.kind.value,
                owner=credit.target.owner,
                correlation_id=credit.correlation_id,
            )
        self._on_committed(committed)
        return failures

    async def _post(self, sets: Sequence[tuple[Transfer, ...]]) -> list[Outcome]:
        """One outcome a set."""
        transfers = list(chain.from_iterable(sets))
        try:
            if len(transfers) == len(sets):
                async with connection(self._pool) as db:
                    # One statement is one transaction: committed when it returns.
                    return await store.post_transfers(db, transfers)
            async with transaction(self._pool) as tx:
                outcomes = iter(await store.post_transfers(tx, transfers))
                # Half of a set would be another payment than the one that was told; raising undoes the batch.
                return [_one_outcome([next(outcomes) for _ in transfers_of_one]) for transfers_of_one in sets]
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, WalletError) as error:
            # One of them can never be written (its neighbours are tried without it): SQLSTATE classes 22 and 23.
            raise Permanent(describe(error)) from error


def _one_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """What became of a set. ReferenceConflict when only a part of it was new: its facts are not those of the part that was known."""
    if len(set(outcomes)) > 1:
        raise ReferenceConflict(ReferenceConflict.__doc__)
    return outcomes[0]


def _instructions(events: Sequence[PaymentCompleted]) -> tuple[list[tuple[Transfer, ...]], list[int], list[Failure]]:
    sets: list[tuple[Transfer, ...]] = []
    positions: list[int] = []
    failures: list[Failure] = []
    for position, event in enumerate(events):
        try:
            transfers = credits(event)
        except (MoneyError, WalletError) as error:
            failures.append(Failure(position, Permanent(f"{type(error).__name__}: {error}")))
            continue
        if transfers:
            sets.append(transfers)
            positions.append(position)
    return sets, positions, failures
