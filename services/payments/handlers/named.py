"""Which session a provider's word belongs to, when its event names only a refund or a charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.payments.domain.facts import DisputeTold, Fact, RefundTold
from services.payments.store import references
from shared.postgres import Connection

_Lost = (RefundTold, DisputeTold)


async def with_sessions(tx: Connection, told: Sequence[tuple[str, Fact]]) -> list[Fact]:
    """The facts of (provider, fact): those without a session with the one that their refund or charge belongs to, if it is one of ours."""
    lost = [(provider, fact) for provider, fact in told if isinstance(fact, _Lost) and fact.session_id is None]
    if not lost:
        return [fact for _, fact in told]
    refund_ids = {fact.refund_id for _, fact in lost if isinstance(fact, RefundTold) and fact.refund_id is not None}
    of_refunds = await references.sessions_of_refunds(tx, sorted(refund_ids))
    charges = {(provider, fact.charge_reference) for provider, fact in lost if fact.charge_reference is not None}
    of_charges = await references.sessions_of_charges(tx, sorted(charges))

    def found(provider: str, fact: Fact) -> Fact:
        if not isinstance(fact, _Lost) or fact.session_id is not None:
            return fact
        session_id = None
        if isinstance(fact, RefundTold) and fact.refund_id is not None:
            session_id = of_refunds.get(fact.refund_id)
        return replace(fact, session_id=session_id or of_charges.get((provider, fact.charge_reference or "")))

    return [found(provider, fact) for provider, fact in told]
