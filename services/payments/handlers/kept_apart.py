"""The alert that money did not fit: whoever looks after suspense has to know at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter

from services.payments.domain.suspense import Item

log = structlog.get_logger(__name__)

OPENED: Final = Counter("purser_suspense_items_total", "Money that was put into suspense, by its reason", ["provider", "reason"])


def alert(items: Sequence[Item]) -> None:
    """To be called once new items are committed. What the rule has given to its payer needs nobody."""
    for item in items:
        OPENED.labels(item.provider, item.reason).inc()
        say = log.error if item.decided is None else log.warning
        say(
            "money in suspense",
            item_id=str(item.item_id),
            reason=item.reason,
            provider=item.provider,
            charge_reference=item.charge_reference,
            amount_minor=item.money.amount_minor,
            currency=item.money.currency,
            payment_id=None if item.payment_id is None else str(item.payment_id),
            correlation_id=item.correlation_id,
        )
