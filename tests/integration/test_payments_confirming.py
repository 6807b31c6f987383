"""Confirming and canceling: the provider decides once, whoever asks at the same time, and the record ends as the provider says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.payments.providers.base import Unknown
from shared.contracts.base import new_id, utc_now
from shared.contracts.intents import IntentCreated, PaymentCanceled, PaymentConfirmed
from shared.contracts.payment_commands import Refused
from shared.delivery.errors import NotYet
from tests.integration.intents_world import (
    an_intent,
    cancel_command,
    confirm_command,
    confirmed,
    emptied,
    event_of,
    intent_command,
    status_of,
    told_of,
)
from tests.integration.payments_world import PaymentsWorld, complete_command, payments_world, sameness

CONFIRM = "POST /api/v1/payments/confirm/{payment_id}"
CANCEL = "POST /api/v1/payments/{payment_id}/cancel"


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    async with payments_world(module_database_url) as made:
        yield made


@pytest.fixture
async def world(running: PaymentsWorld, module_database_url: str) -> PaymentsWorld:
    return await emptied(running, module_database_url)


async def canceled(world: PaymentsWorld, payment_id: UUID, **changes: object) -> PaymentCanceled:
    answer = (await world.confirming.cancel(cancel_command(payment_id, **changes))).answer
    assert isinstance(answer, PaymentCanceled), answer
    return answer


async def refused(world: PaymentsWorld, payment_id: UUID | str, action: str, **changes: object) -> str:
    if action == "confirm":
        answer: object = (await world.confirming.confirm(confirm_command(payment_id, **changes))).answer
    else:
        answer = (await world.confirming.cancel(cancel_command(payment_id, **changes))).answer
    assert isinstance(answer, Refused), answer
    return answer.code


async def session_is_over(world: PaymentsWorld) -> None:
    async with world.pool.acquire() as db:
        await db.execute("update payments.mock_sessions set expires_at = now() - interval '1 second'")
        await db.execute("update payments.payments set expires_at = now() - interval '1 second'")


# ---- confirming


async def test_confirming_makes_the_mock_pay_and_is_the_same_however_often(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    first = await confirmed(world, created.payment_id)
    again = await confirmed(world, created.payment_id)

    assert (first.status, first.amount_minor, first.currency, first.method) == ("completed", 5_000, "usd", "mock")
    assert again == first.model_copy(update={"event": None})
    assert await status_of(world, created.payment_id) == "completed"
    assert await told_of(world) == ["payment.completed.v1"]


async def test_confirmed_twice_before_its_event_arrives_it_is_one_event(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    answers = [(await world.confirming.confirm(confirm_command(created.payment_id))).answer for _ in range(2)]
    assert all(isinstance(answer, PaymentConfirmed) for answer in answers)
    events = [event_of(answer) for answer in answers if isinstance(answer, PaymentConfirmed)]

    assert events[0].body == events[1].body
    await world.settlement.handle(events)
    assert await told_of(world) == ["payment.completed.v1"]


async def test_under_a_key_the_first_final_answer_is_given_again_with_its_event_freshly_signed(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    key = sameness("key-1", operation=CONFIRM)
    first = await world.confirming.confirm(confirm_command(created.payment_id, idempotency=key))
    again = await world.confirming.confirm(confirm_command(created.payment_id, idempotency=key))

    assert isinstance(first.answer, PaymentConfirmed)
    assert isinstance(again.answer, PaymentConfirmed)
    assert again.replayed
    assert again.answer.event is not None
    assert first.answer.event is not None
    assert again.answer.event.body == first.answer.event.body


async def test_a_topup_is_confirmed_too(world: PaymentsWorld) -> None:
    made = await world.deposit()
    assert (await confirmed(world, made.payment_id)).status == "completed"
    assert await status_of(world, made.payment_id) == "completed"


@pytest.mark.parametrize("action", ["confirm", "cancel"])
async def test_only_the_payer_and_admins(world: PaymentsWorld, action: str) -> None:
    created = await an_intent(world)

    assert await refused(world, created.payment_id, action, user_id="2") == "forbidden", "its mentor sees it"
    assert await refused(world, created.payment_id, action, user_id="3") == "payment_not_found"
    assert await refused(world, new_id(), action) == "payment_not_found"
    assert await refused(world, "not-an-id", action) == "payment_not_found"
    assert await refused(world, created.payment_id, action, deadline=utc_now()) == "deadline_passed"
    assert await status_of(world, created.payment_id) == "pending"
    assert await world.rows("select 1 from payments.audit") == []


async def test_an_admin_may_and_it_is_written_down(world: PaymentsWorld) -> None:
    first, second = await an_intent(world), await an_intent(world)
    await confirmed(world, first.payment_id, user_id="9", is_admin=True)
    await canceled(world, second.payment_id, user_id="9", is_admin=True)

    assert [await status_of(world, p) for p in (first.payment_id, second.payment_id)] == ["completed", "canceled"]
    assert await world.rows("select actor, action, resource from payments.audit order by occurred_at") == [
        {"actor": "user:9", "action": "payment.confirm", "resource": f"payment:{first.payment_id}"},
        {"actor": "user:9", "action": "payment.cancel", "resource": f"payment:{second.payment_id}"},
    ]


async def test_what_has_ended_without_payment_cannot_be_confirmed(world: PaymentsWorld) -> None:
    failed, given_up = await an_intent(world), await an_intent(world)
    await world.settlement.handle([await world.decide(failed.payment_id, "failure")])
    await canceled(world, given_up.payment_id)

    assert await refused(world, failed.payment_id, "confirm") == "session_final"
    assert await refused(world, given_up.payment_id, "confirm") == "session_final"


async def test_a_session_that_is_over_is_not_paid_by_confirming_it(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    await session_is_over(world)

    assert await refused(world, created.payment_id, "confirm") == "session_final"
    assert await world.rows("select status from payments.payments") == [{"status": "expired"}]
    assert await world.rows("select outcome from payments.mock_sessions") == [{"outcome": "canceled"}]


async def test_confirming_finds_a_payment_whose_event_was_lost_even_after_the_end(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    await world.decide(created.payment_id)  # and its event gets lost
    await session_is_over(world)

    assert (await confirmed(world, created.payment_id)).status == "completed"
    assert await status_of(world, created.payment_id) == "completed"


async def test_a_refused_payment_cannot_be_confirmed_or_canceled(world: PaymentsWorld) -> None:
    command = intent_command(amount_minor=1)
    await world.intents.create(command)

    assert await refused(world, command.payment_id, "confirm") == "session_final"
    assert await refused(world, command.payment_id, "cancel") == "session_final"


async def test_what_became_of_a_paid_one_is_told(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    await confirmed(world, created.payment_id)
    async with world.pool.acquire() as db:
        await db.execute("update payments.payments set refunded_minor = 1000")

    assert (await confirmed(world, created.payment_id)).status == "partially_refunded"


# ---- canceling


async def test_a_canceled_payment_is_canceled_at_the_provider_and_stays_so(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    first = await canceled(world, created.payment_id)
    again = await canceled(world, created.payment_id)

    assert first == again
    assert await world.rows("select outcome from payments.mock_sessions") == [{"outcome": "canceled"}]
    assert await told_of(world) == ["payment.updated.v1 canceled"]
    answer = (await world.mock_sessions.complete(complete_command(created.payment_id))).answer
    assert isinstance(answer, Refused)
    assert answer.code == "session_final"


async def test_what_was_paid_meanwhile_completes_instead(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    await world.decide(created.payment_id)  # its event is still on its way

    assert await refused(world, created.payment_id, "cancel") == "already_paid"
    assert await status_of(world, created.payment_id) == "completed"
    assert await refused(world, created.payment_id, "cancel") == "already_paid"


async def test_what_has_ended_otherwise_cannot_be_canceled(world: PaymentsWorld) -> None:
    failed, over = await an_intent(world), await an_intent(world)
    await world.settlement.handle([await world.decide(failed.payment_id, "failure")])
    assert await refused(world, failed.payment_id, "cancel") == "session_final"
    await session_is_over(world)
    assert await refused(world, over.payment_id, "cancel") == "session_final"


async def test_a_provider_that_does_not_tell_leaves_it_open_and_is_asked_again(
    world: PaymentsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await an_intent(world)
    cancel = type(world.mock).cancel
    command = cancel_command(created.payment_id, idempotency=sameness("key-1", operation=CANCEL))

    async def silent(*_: object) -> Unknown:
        return Unknown()

    monkeypatch.setattr(type(world.mock), "cancel", silent)
    with pytest.raises(NotYet):
        await world.confirming.cancel(command)
    assert await status_of(world, created.payment_id) == "pending"
    monkeypatch.setattr(type(world.mock), "cancel", cancel)
    assert isinstance((await world.confirming.cancel(command)).answer, PaymentCanceled)


def test_an_intents_secret_is_not_in_its_picture() -> None:
    secret = "pi_K3OZPGJQ4SVB2QM7XT3NLWE5_secret_JR5YD6HF2UA4PQ7GI3KTNWOXZ2MVBCLD"
    made = IntentCreated(
        payment_id=new_id(),
        status="pending",
        amount_minor=1,
        currency="usd",
        method="mock",
        session_id="1",
        mentor_id="2",
        client_secret=secret,
        payment_url=None,
        expires_at=None,
    )
    assert secret not in repr(made)
    assert secret not in str(made)
