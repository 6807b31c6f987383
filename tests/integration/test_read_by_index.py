"""What is asked every few seconds, or over years of data, reads by an index no more than it is about."""

from __future__ import annotations

import pytest

from services.payments.store import questions, retention
from shared.postgres import transaction
from tests.integration.explained import Explained
from tests.integration.payments_world import ANSWERS, payments_world


@pytest.mark.parametrize("newest", [None, 170])
async def test_looking_for_payments_whose_provider_is_to_be_asked(fresh_database_url: str, newest: int | None) -> None:
    """Not all that are pending, nor all that were ever given up."""
    async with payments_world(fresh_database_url) as world, transaction(world.pool) as tx:
        await tx.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        explained = Explained(tx)
        await questions.take_due(explained.connection, "allsecure", 8, 60, newest=newest)
        (condition,) = [line.strip() for line in explained.plan if "reconcile_at <=" in line]
        assert condition == "Index Cond: ((provider = 'allsecure'::text) AND (reconcile_at <= now()))"


async def test_looking_for_orders_whose_personal_data_goes(fresh_database_url: str) -> None:
    """Of one whose delivery failed, its own payment is looked at, not all payments."""
    async with payments_world(fresh_database_url) as world, transaction(world.pool) as tx:
        explained = Explained(tx)
        await retention.prune_orders(explained.connection, 400, 500, answers=ANSWERS)
        (read,) = [line for line in explained.plan if "on payments paid" in line]
        assert "Index Scan using payments_pkey" in read
