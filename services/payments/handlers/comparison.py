"""Compares a day of our book with what a provider says: by its lists, or, where it has none, by asking about each of our payments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from services.payments.domain import comparison as domain
from services.payments.domain.comparison import Difference
from services.payments.domain.facts import Closed, Declined, Paid
from services.payments.domain.payments import Payment, Status
from services.payments.providers.base import NotStated, Open, Provider, StatedCharge, StatedRefund, Statements
from services.payments.store import comparison as store
from services.payments.store import questions
from shared.postgres import Pool, connection, transaction

MARGIN: Final = timedelta(minutes=10)
"""What we made just before the window's end, a provider may have made just after it: its list is read so much further on both sides."""

_PAGE: Final = 200
_TRIES: Final = 5
_NOBODY: Final = UUID(int=0)

Item = TypeVar("Item")
Say = Callable[[str], None]


@dataclass
class Compared:
    """What was looked at, and where the books differ. `how`: listed, asked, or by hand (nothing was compared)."""

    provider: str
    how: str
    charges: int = 0
    refunds: int = 0
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`say`: progress, for a person."""

    pool: Pool
    say: Say = lambda _: None

    async def compare(self, provider: Provider, statements: Statements | None, since: datetime, until: datetime) -> Compared:
        """NotStated when the provider stopped answering."""
        if statements is not None:
            return await self._by_lists(provider, statements, since, until)
        compared = Compared(provider.name, "asked" if provider.capabilities.status else "by hand")
        await self._by_asking(provider, compared, since, until, frozenset())
        return compared

    async def _by_lists(self, provider: Provider, statements: Statements, since: datetime, until: datetime) -> Compared:
        compared = Compared(provider.name, "listed")
        seen: set[UUID] = set()
        async for page in _pages(statements.charges(since - MARGIN, until + MARGIN)):
            # One that is not paid says nothing: a session may have more than one there, of which nobody but the last can be paid.
            ours_of_page = [charge for charge in page if charge.session_id is not None and charge.status == "paid"]
            seen.update(charge.session_id for charge in ours_of_page if charge.session_id is not None)
            within = [charge for charge in ours_of_page if since <= charge.created_at < until]
            compared.charges += len(within)
            compared.differences += await self._charges(provider.name, within)
            self.say(f"{provider.name}: {compared.charges} charges compared")
        # Ours that no list has shown are asked about one by one: there should be none.
        await self._by_asking(provider, compared, since, until, frozenset(seen))
        compared.differences += await self._refunds(provider.name, statements, compared, since, until)
        return compared

    async def _charges(self, provider: str, charges: Sequence[StatedCharge]) -> list[Difference]:
        async with connection(self.pool) as db:
            ours = await store.by_session(db, provider, [charge.session_id for charge in charges if charge.session_id is not None])
            kept = await store.in_suspense(db, provider, [charge.charge_reference for charge in charges])
        found = [
            domain.charge(
                ours.get(charge.session_id or _NOBODY),
                charge.charge_reference,
                charge.money,
                elsewhere="suspense" if charge.charge_reference in kept else None,
            )
            for charge in charges
        ]
        return [difference for difference in found if difference is not None]

    async def _by_asking(self, provider: Provider, compared: Compared, since: datetime, until: datetime, seen: frozenset[UUID]) -> None:
        """Asks about each payment of the window that is not `seen`, no faster than the provider bears."""
        after = (since, _NOBODY)
        while True:
            async with connection(self.pool) as db:
                page = await store.page(db, provider.name, since, until, after, _PAGE)
            for payment in page:
                assert payment.session_id is not None
                listed = compared.how == "listed"
                if payment.session_id in seen or (listed and payment.status is not Status.COMPLETED):
                    continue
                compared.charges += 1
                if provider.capabilities.status:
                    compared.differences += await self._ask(provider, payment)
                    if compared.charges % 10 == 0:
                        self.say(f"{provider.name}: {compared.charges} payments asked about")
            if len(page) < _PAGE:
                return
            after = (page[-1].created_at, page[-1].payment_id)

    async def _ask(self, provider: Provider, payment: Payment) -> list[Difference]:
        for attempt in range(_TRIES):
            await self._turn(provider)
            told = await provider.find(payment)
            match told:
                case Paid():
                    return await self._paid(payment, told)
                case Declined() | Closed() | Open():
                    return [domain.missing_charge(payment)] if payment.status is Status.COMPLETED else []
            await asyncio.sleep(0.2 * 2**attempt)
        raise NotStated(f"{provider.name} does not say what became of session {payment.session_id}")

    async def _turn(self, provider: Provider) -> None:
        """Waits until the provider may be asked: the reconcilers' questions come first, out of the same allowance."""
        per_minute = provider.questions_per_minute
        while per_minute is not None:
            async with transaction(self.pool) as tx:
                if await questions.take_questions(tx, provider.name, 1, per_minute, leaving=max(0, per_minute // 5 - 2)):
                    return
            await asyncio.sleep(30 / per_minute)

    async def _paid(self, payment: Payment, told: Paid) -> list[Difference]:
        async with connection(self.pool) as db:
            kept = await store.in_suspense(db, payment.provider, [told.charge_reference])
        elsewhere = "suspense" if kept else None
        difference = domain.charge(payment, told.charge_reference, told.money, elsewhere=elsewhere)
        return [] if difference is None else [difference]

    async def _refunds(
        self, provider: str, statements: Statements, compared: Compared, since: datetime, until: datetime
    ) -> list[Difference]:
        differences: list[Difference] = []
        seen: set[UUID] = set()
        async for page in _pages(statements.refunds(since - MARGIN, until + MARGIN)):
            async with connection(self.pool) as db:
                named = [refund.refund_id for refund in page if refund.refund_id is not None]
                ours = await store.refunds_named(db, provider, named, [refund.provider_reference for refund in page])
                charges = [refund.charge_reference for refund in page if refund.charge_reference is not None]
                known = await store.charges_known(db, provider, charges)
            by_name = {str(refund.refund_id): refund for refund in ours} | {r.provider_reference: r for r in ours if r.provider_reference}
            for stated in page:
                one = by_name.get(stated.provider_reference) or by_name.get(str(stated.refund_id))
                if one is not None:
                    seen.add(one.refund_id)
                if not since <= stated.created_at < until or not _is_ours(stated, known, one is not None):
                    continue
                compared.refunds += 1
                difference = domain.refund(one, stated.provider_reference, stated.status, stated.money)
                differences += [] if difference is None else [difference]
        async with connection(self.pool) as db:
            made = await store.refunds_made(db, provider, since, until)
        return differences + [domain.missing_refund(refund) for refund in made if refund.refund_id not in seen]


def _is_ours(stated: StatedRefund, known: set[str], found: bool) -> bool:
    """Somebody else's, who shares the account, are none of our matter."""
    return found or stated.refund_id is not None or stated.charge_reference in known


async def _pages(items: AsyncIterator[Item]) -> AsyncIterator[list[Item]]:
    page: list[Item] = []
    async for item in items:
        page.append(item)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
