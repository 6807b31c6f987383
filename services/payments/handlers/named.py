"""Which session a provider's word about a refund or a charge belongs to: an operator may have given the charge to another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.payments.domain.facts import DisputeTold, Fact, RefundTold
from services.payments.store import references
from shared.postgres import Connection

_Back = (RefundTold, DisputeTold)


async def with_sessions(tx: Connection, told: Sequence[tuple[str, Fact]]) -> list[Fact]:
    """The facts of (provider, fact): what goes back with the session of the payment that its charge was given to; else, without a session,
    with the one that its refund or charge belongs to, if it is one of ours."""
    back = [(provider, fact) for provider, fact in told if isinstance(fact, _Back)]
    if not back:
        return [fact for _, fact in told]
    refund_ids = {fact.refund_id for _, fact in back if isinstance(fact, RefundTold) and fact.refund_id is not None}
    of_refunds = await references.sessions_of_refunds(tx, sorted(refund_ids))
    charges = {(provider, fact.charge_reference) for provider, fact in back if fact.charge_reference is not None}
    of_charges = await references.sessions_of_charges(tx, sorted(charges))
    nobodys = references.Whose(None, None)

    def found(provider: str, fact: Fact) -> Fact:
        if not isinstance(fact, _Back):
            return fact
        whose = of_charges.get((provider, fact.charge_reference or ""), nobodys)
        of_refund = of_refunds.get(fact.refund_id) if isinstance(fact, RefundTold) and fact.refund_id is not None else None
        return replace(fact, session_id=whose.given or fact.session_id or of_refund or whose.own)

    return [found(provider, fact) for provider, fact in told]
