"""A wire that breaks, at every provider that has one: nothing is doubled, nothing lost, and what is not known stays so until it is."""

from __future__ import annotations

import pytest

from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.refunds import RefundMade
from tests.contract.providers.world import ProviderWorld, session_of
from tests.emulators.faults import Kind

plays, can = pytest.mark.plays, pytest.mark.can

BROKEN: list[Kind] = ["500_before", "500_after", "503", "504_after", "cut_before", "cut_after"]


@plays("faults")
@pytest.mark.parametrize("kind", BROKEN)
async def test_however_creating_breaks_there_is_one_session_and_it_can_be_paid(world: ProviderWorld, kind: Kind) -> None:
    world.stage.faults.once(kind, world.stage.create_operation)
    answer = await world.ask()
    assert world.stage.faults.injected[-1].kind == kind
    if isinstance(answer, Refused):
        # Nothing exists that anybody could pay: the payer begins again.
        assert answer.code in ("payment_rejected", "provider_unavailable")
        return
    await world.stage.pay(session_of(answer))
    await world.arrive()
    assert await world.status(answer) == "completed"
    assert await world.credits(answer) == 1


@plays("faults")
async def test_too_many_requests_are_waited_for_or_told_as_503_and_never_as_a_failure(world: ProviderWorld) -> None:
    world.stage.faults.once("429", world.stage.create_operation)
    answer = await world.ask()
    if isinstance(answer, Refused):
        assert answer.code == "provider_unavailable"
    else:
        await world.stage.pay(session_of(answer))
        await world.arrive()
        assert await world.status(answer) == "completed"


@plays("faults")
async def test_a_provider_that_is_too_slow_has_told_nothing(world: ProviderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.stage.hurry(monkeypatch)
    world.stage.faults.once("slow", world.stage.create_operation, seconds=1.5)
    answer = await world.ask()
    assert isinstance(answer, (DepositCreated, Refused))
    if isinstance(answer, DepositCreated):
        await world.stage.pay(session_of(answer))
        await world.arrive()
        assert await world.credits(answer) == 1


@plays("faults")
@can("status")
@pytest.mark.parametrize("kind", [*BROKEN, "429"])
async def test_however_asking_breaks_the_payment_is_pending_until_the_provider_tells(world: ProviderWorld, kind: Kind) -> None:
    world.stage.deliveries.switches.drop = True
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    world.stage.faults.once(kind, world.stage.find_operation, times=20)
    await world.reconcile()
    assert await world.status(made) == "pending"
    world.stage.faults.off()
    await world.reconcile()
    assert await world.status(made) == "completed"
    assert await world.credits(made) == 1


@plays("faults")
@can("refund")
@pytest.mark.parametrize("kind", [*BROKEN, "429"])
async def test_however_a_refund_breaks_the_money_goes_back_once(world: ProviderWorld, kind: Kind) -> None:
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.arrive()
    world.stage.faults.once(kind, world.stage.refund_operation)
    answer = await world.refund(made, made.amount_minor // 2)
    assert isinstance(answer, RefundMade) or answer == "in-progress.v1"
    await world.arrive()
    assert await world.status(made) == "partially_refunded"
    assert await world.available(made) == made.amount_minor - made.amount_minor // 2


@plays("faults")
@can("refund")
async def test_a_refund_whose_answer_is_lost_and_whose_webhooks_come_first_is_one_refund(world: ProviderWorld) -> None:
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.arrive()
    world.stage.faults.once("cut_after", world.stage.refund_operation)
    answer = await world.refund(made)
    assert isinstance(answer, RefundMade) or answer == "in-progress.v1"
    await world.stage.deliveries.flush()
    await world.arrive()
    assert await world.status(made) == "refunded"
    assert await world.available(made) == 0


@plays("faults")
@can("status")
async def test_a_payment_whose_every_wire_is_broken_is_known_when_they_are_whole_again(world: ProviderWorld) -> None:
    """Webhooks lost, questions unanswered, the session over on our side: the money is credited all the same, once."""
    world.stage.deliveries.switches.drop = True
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    for kind in BROKEN:
        world.stage.faults.once(kind, times=4)
    await world.expire(made)
    await world.reconcile()
    assert await world.status(made) == "expired"
    world.stage.faults.off()
    await world.reconcile()
    assert await world.status(made) == "completed"
    assert await world.credits(made) == 1
