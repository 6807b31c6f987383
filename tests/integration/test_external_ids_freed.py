"""What a payment is called is free when nobody can pay it any more; a proof that comes all the same still finds its payment."""

from __future__ import annotations

import pytest

from shared.contracts.payment_commands import DepositCreated, Refused
from tests.integration.operators_world import a_charge
from tests.integration.payments_world import PaymentsWorld, deposit_command, payments_world

NAME = "invoice-1"


async def made(world: PaymentsWorld) -> DepositCreated | str:
    reply = await world.deposits.create(deposit_command(amount_minor=5_000, currency="usd", external_id=NAME))
    assert isinstance(reply.answer, (DepositCreated, Refused))
    return reply.answer if isinstance(reply.answer, DepositCreated) else reply.answer.code


async def statuses(world: PaymentsWorld) -> list[str]:
    return [row["status"] for row in await world.rows("select status from payments.payments where refusal is null order by created_at")]


@pytest.mark.parametrize("end", ["session.declined", "expired"])
async def test_money_that_comes_late_is_credited_though_another_payment_has_its_external_id_by_now(
    fresh_database_url: str, end: str
) -> None:
    async with payments_world(fresh_database_url) as world:
        first = await made(world)
        assert isinstance(first, DepositCreated)
        if end == "expired":
            await over(world, first)
            await world.reconciler.reconcile_due()
        else:
            await world.settlement.handle([await world.decide(first.session_id, "failure")])
        second = await made(world)
        assert isinstance(second, DepositCreated), "the end has freed the external_id"

        proofs = [a_charge(second.session_id), a_charge(first.session_id)]
        assert not await world.settlement.handle(proofs)

        assert await statuses(world) == ["completed", "completed"]
        assert await made(world) == "external_id_reused"


async def test_a_session_whose_time_is_over_frees_it_before_anybody_has_written_that_down(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        first = await made(world)
        assert isinstance(first, DepositCreated)
        assert await made(world) == "external_id_reused", "it can still be paid"
        await over(world, first)

        second = await made(world)

        assert isinstance(second, DepositCreated)
        assert await made(world) == "external_id_reused"
        assert await statuses(world) == ["pending", "pending"]


async def over(world: PaymentsWorld, payment: DepositCreated) -> None:
    """The session's time has passed, here and at the mock."""
    for table in ("payments", "mock_sessions"):
        await world.rows(
            f"update payments.{table} set expires_at = clock_timestamp() - interval '1 minute' where session_id = $1 returning 1",  # noqa: S608
            payment.session_id,
        )
