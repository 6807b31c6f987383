"""A day of our book beside each provider's: they agree when all is well, and every way in which they can differ is found and named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from services.payments.compare import lines
from services.payments.handlers.comparison import Compared, Comparison
from shared.contracts.base import utc_now
from shared.contracts.payment_commands import DepositCreated
from shared.money import Money
from tests.contract.providers.world import ProviderWorld, session_of

plays, can, cannot = pytest.mark.plays, pytest.mark.can, pytest.mark.cannot

DAY = date(2026, 11, 20)


async def compared(world: ProviderWorld, made: DepositCreated) -> Compared:
    """Of a window that holds this payment and what came after it."""
    (row,) = await world.payments.rows("select created_at from payments.payments where payment_id = $1", made.payment_id)
    adapters: Any = getattr(world.stage, "adapters", None)
    statements = None if adapters is None else adapters.statements.get(world.stage.name)
    since = row["created_at"].replace(microsecond=0) if statements is not None else row["created_at"]
    return await Comparison(world.payments.pool).compare(world.stage.provider, statements, since, utc_now() + timedelta(seconds=1))


async def paid(world: ProviderWorld) -> DepositCreated:
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.arrive()
    return made


def differences(found: Compared, made: DepositCreated, reference: str) -> list[str]:
    return [one.what for one in found.differences if one.reference in (reference, str(made.session_id))]


async def charge_of(world: ProviderWorld, made: DepositCreated) -> str:
    (row,) = await world.payments.rows("select charge_reference from payments.payments where payment_id = $1", made.payment_id)
    return str(row["charge_reference"])


async def more(world: ProviderWorld, made: DepositCreated, minor: int) -> None:
    """Somebody has written another sum into our book."""
    await world.payments.rows(
        "update payments.payments set amount_minor = amount_minor + $2 where payment_id = $1 returning 1", made.payment_id, minor
    )


@can("status")
async def test_books_that_agree_are_told_to(world: ProviderWorld) -> None:
    made = await paid(world)
    found = await compared(world, made)
    assert found.differences == []
    assert found.charges >= 1
    assert lines(found, DAY)[0].endswith("the books agree")


@can("status")
async def test_what_was_paid_there_and_is_unknown_here_is_found(world: ProviderWorld) -> None:
    """Every webhook lost, and nobody has asked yet."""
    world.stage.deliveries.switches.drop = True
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    found = await compared(world, made)
    (difference,) = found.differences
    assert difference.what == "paid there and not here"
    assert "pending" in difference.ours
    assert lines(found, DAY)[1].startswith("  paid there and not here: ")
    await world.reconcile()


@can("status")
async def test_what_is_completed_here_and_was_not_paid_there_is_found(world: ProviderWorld) -> None:
    """Money of nothing: what no provider's book explains."""
    made = await world.deposit()
    await world.payments.rows(
        """
        update payments.payments set status = 'completed', completed_at = now(), charge_reference = 'of-nothing', credit_reference = $2
        where payment_id = $1 returning 1
        """,
        made.payment_id,
        f"{world.stage.name}:of-nothing-{made.payment_id}",
    )
    found = await compared(world, made)
    assert differences(found, made, "of-nothing") == ["completed here and not paid there"]
    await world.payments.rows(
        """
        update payments.payments set status = 'pending', completed_at = null, charge_reference = null, credit_reference = null
        where payment_id = $1 returning 1
        """,
        made.payment_id,
    )


@can("status")
async def test_another_sum_here_than_there_is_found(world: ProviderWorld) -> None:
    made = await paid(world)
    await more(world, made, 1)
    found = await compared(world, made)
    assert differences(found, made, await charge_of(world, made)) == ["another sum"]
    await more(world, made, -1)


@can("refund")
@plays("refund_elsewhere")
async def test_a_refund_that_only_the_provider_knows_of_is_found_where_it_lists_them(world: ProviderWorld) -> None:
    adapters: Any = getattr(world.stage, "adapters", None)
    made = await paid(world)
    world.stage.deliveries.hold()
    await world.stage.refund_elsewhere(session_of(made), Money(made.amount_minor // 2, made.currency))
    found = await compared(world, made)
    listed = adapters is not None and world.stage.name in adapters.statements
    assert [one.what for one in found.differences] == (["refunded there and not here"] if listed else [])
    world.stage.deliveries.release()
    await world.arrive()
    assert (await compared(world, made)).differences == []


@cannot("status")
async def test_a_provider_that_tells_nothing_is_named_with_what_is_to_be_done(world: ProviderWorld) -> None:
    made = await paid(world)
    found = await compared(world, made)
    assert found.how == "by hand"
    (line,) = lines(found, DAY)
    assert "compare with its cabinet by hand" in line
