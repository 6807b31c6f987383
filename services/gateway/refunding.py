"""Asking for a refund, as the API and the pages do it: one command, and what its fields may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.gateway.auth import Caller
from services.gateway.commands import Issued
from services.gateway.requests import REFUNDED
from shared.contracts.refunds import RefundMade, RefundPayment

REASON_LENGTH_MAX: Final = 500
REFERENCE: Final = r"^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$"
"""Of a refund that was made by hand: the provider's own name for it."""

_REFERENCE: Final = re.compile(REFERENCE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `amount_minor` none: all that is left."""

    amount_minor: int | None = None
    reason: str = ""
    force: bool = False
    manual_reference: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


async def refund(issued: Issued, caller: Caller, payment_id: str, wanted: Wanted) -> tuple[RefundMade, bool] | None:
    """The refund as the provider has answered it, and whether that is a replay; None while nobody knows: the refund, whose id is
    `issued.resource_id`, tells the rest. Problems: as Issued.ask."""
    command = RefundPayment(
        **issued.envelope,
        refund_id=issued.resource_id,
        payment_id=payment_id,
        requested_by=caller.user_id,
        requested_by_admin=caller.identity.is_admin,
        amount_minor=wanted.amount_minor,
        reason=wanted.reason,
        force=wanted.force,
        manual_reference=wanted.manual_reference,
        external_id=wanted.external_id,
        metadata=dict(wanted.metadata),
    )
    return await issued.ask(command, REFUNDED)
