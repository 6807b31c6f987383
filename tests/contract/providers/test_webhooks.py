"""Webhooks, of every provider: twice, late, reordered, forged, before their time, and while the broker is down."""

from __future__ import annotations

import asyncio

import pytest

from services.payments.domain.payments import Payment
from services.payments.providers.base import Accepted, Created, Payer, Provider
from tests.contract.providers.stage import Session
from tests.contract.providers.world import ProviderWorld, session_of
from tests.emulators.deliveries import ALWAYS

plays, can = pytest.mark.plays, pytest.mark.can


async def test_each_webhook_three_times_credits_once(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.duplicate = 2
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.credits(made) == 1
    assert (await world.outcomes(made)).count("applied") == 1


async def test_a_webhook_that_overtakes_the_answer_to_creating_credits_once(world: ProviderWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider has the session, its payer has paid, and we have not yet written down that it is there."""
    provider = type(world.stage.provider)
    create = provider.create

    async def overtaken(self: Provider, payment: Payment, payer: Payer, *, again: bool) -> Created:
        created = await create(self, payment, payer, again=again)
        assert isinstance(created, Accepted)
        assert payment.session_id is not None
        await world.stage.pay(Session(payment.session_id, created.payment_url, created.client_secret))
        await world.stage.deliveries.flush()
        await world.work()
        (row,) = await world.payments.rows("select status from payments.payments where payment_id = $1", payment.payment_id)
        assert row["status"] == "completed", "by its webhook alone"
        return created

    with monkeypatch.context() as fast:
        fast.setattr(provider, "create", overtaken)
        made = await world.deposit()
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.credits(made) == 1


async def test_a_late_webhook_credits_what_had_expired(world: ProviderWorld) -> None:
    world.stage.deliveries.hold()
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.payments.rows("update payments.payments set expires_at = now() where payment_id = $1 returning 1", made.payment_id)
    assert await world.status(made) == "expired"
    world.stage.deliveries.release()
    await world.arrive()
    assert await world.status(made) == "completed"
    assert await world.available(made) == made.amount_minor


async def test_webhooks_in_the_wrong_order_come_to_the_same(world: ProviderWorld) -> None:
    world.stage.deliveries.hold()
    made = [await world.deposit() for _ in range(3)]
    for one in made:
        await world.stage.pay(session_of(one))
    if "disputes" in world.stage.plays:
        await world.stage.dispute(session_of(made[0]), "opened")
        await world.stage.dispute(session_of(made[0]), "won")
    world.stage.deliveries.switches.reorder = 50
    world.stage.deliveries.release()
    await world.arrive()
    assert [await world.status(one) for one in made] == ["completed"] * 3
    assert [await world.available(one) for one in made] == [one.amount_minor for one in made]


@can("status")
async def test_a_webhook_that_comes_after_the_answer_to_our_question_changes_nothing(world: ProviderWorld) -> None:
    world.stage.deliveries.hold()
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.reconcile()
    assert await world.status(made) == "completed"
    world.stage.deliveries.release()
    await world.arrive()
    assert await world.credits(made) == 1
    assert "applied" not in await world.outcomes(made)


async def test_forged_webhooks_are_refused_and_leave_nothing(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.forged = ALWAYS
    made = await world.deposit()
    kept = await world.kept()
    await world.stage.pay(session_of(made))
    await world.stage.deliveries.flush()
    refused = [tried.status for tried in world.stage.deliveries.attempts if tried.attempt.forged]
    assert refused
    assert set(refused) == {400}
    await world.work()
    assert await world.kept() == kept
    assert await world.status(made) == "pending"
    world.stage.deliveries.off()
    for tried in {tried.key: tried for tried in world.stage.deliveries.attempts if tried.attempt.forged}:
        world.stage.deliveries.resend(tried)
    await world.arrive()
    assert await world.status(made) == "completed", "the honest one is taken after that"


async def test_a_first_attempt_that_was_forged_does_not_spoil_the_next(world: ProviderWorld) -> None:
    world.stage.deliveries.switches.forged = 1
    made = await world.deposit()
    await world.stage.pay(session_of(made))
    await world.arrive()
    assert await world.status(made) == "completed"


async def test_while_the_broker_is_down_they_are_not_acknowledged_and_come_again(world: ProviderWorld) -> None:
    world.receiver.inbox.down = True
    made = await world.deposit()
    before = len(world.stage.deliveries.attempts)
    await world.stage.pay(session_of(made))
    async with asyncio.timeout(10):
        while len(world.stage.deliveries.attempts) == before:
            await asyncio.sleep(0.005)
    assert world.stage.deliveries.attempts[-1].status == 503
    world.receiver.inbox.down = False
    await world.arrive()
    assert await world.status(made) == "completed"


async def test_garbage_at_the_door_is_400_and_leaves_nothing(world: ProviderWorld) -> None:
    kept = await world.kept()
    for body in (b"", b"{", b"\xff\xfe", b"[" * 10_000, b"a=1&b[c]=2", b'{"id": "evt_1"}'):
        for content_type in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
            assert await world.knock(body, {"content-type": content_type}) == 400
    assert await world.kept() == kept


@plays("strangers")
async def test_an_authentic_webhook_about_nothing_of_ours_is_kept_and_moves_nothing(world: ProviderWorld) -> None:
    """A charge of another system on the same account: it does not carry our reference."""
    kept = await world.kept()
    await world.stage.stranger()
    await world.arrive()
    assert await world.kept() > kept
    assert await world.payments.rows("select 1 from payments.suspense_items where reason = 'unknown_reference'") == []
