"""Fifty at once confirm, cancel and complete one payment: the provider decides once, and the record ends as it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from shared.contracts.intents import PaymentCanceled, PaymentConfirmed
from shared.contracts.payment_commands import MockSessionDecided, Refused
from tests.integration.intents_world import an_intent, cancel_command, confirm_command, confirmed, emptied, event_of, status_of, told_of
from tests.integration.payments_world import PaymentsWorld, complete_command, payments_world, received


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    async with payments_world(module_database_url) as made:
        yield made


@pytest.fixture
async def world(running: PaymentsWorld, module_database_url: str) -> PaymentsWorld:
    return await emptied(running, module_database_url)


async def assert_ends_in_one_legal_state(world: PaymentsWorld, payment_id: UUID) -> str:
    """One outcome at the mock, the same in our record, and wallet told once or never."""
    (session,) = await world.rows("select outcome from payments.mock_sessions")
    status = await status_of(world, payment_id)
    assert status == {"success": "completed", "failure": "failed", "canceled": "canceled"}[session["outcome"]]
    assert await told_of(world) == (["payment.completed.v1"] if status == "completed" else [f"payment.updated.v1 {status}"])
    return status


async def test_fifty_confirmations_race_the_completions_event(world: PaymentsWorld) -> None:
    """medusa #13301: confirming and the provider's webhook at the same time; the payment completes once, and every confirmation agrees."""
    created = await an_intent(world)
    event = await world.decide(created.payment_id)

    async def confirm() -> PaymentConfirmed:
        return await confirmed(world, created.payment_id)

    async def webhook() -> None:
        assert not await world.settlement.handle([event])

    answers = await asyncio.gather(*(confirm() if n % 2 else webhook() for n in range(50)))

    assert {answer.status for answer in answers if answer is not None} == {"completed"}
    assert await assert_ends_in_one_legal_state(world, created.payment_id) == "completed"


async def test_fifty_completions_and_failures_of_an_intent_end_in_one_of_them(world: PaymentsWorld) -> None:
    created = await an_intent(world)

    async def decide(outcome: str) -> str:
        reply = await world.mock_sessions.complete(complete_command(created.payment_id, outcome=outcome))
        if isinstance(reply.answer, MockSessionDecided):
            await world.settlement.handle([received(reply.answer)])
            return reply.answer.outcome
        return "refused"

    answers = await asyncio.gather(*(decide("success" if n % 2 else "failure") for n in range(50)))

    assert len(set(answers) - {"refused"}) == 1
    await assert_ends_in_one_legal_state(world, created.payment_id)


@pytest.mark.parametrize("first", ["confirm", "cancel", "complete"])
async def test_fifty_cancellations_confirmations_and_completions_end_in_one_state(world: PaymentsWorld, first: str) -> None:
    created = await an_intent(world)
    answers: list[object] = []

    async def act(action: str) -> None:
        if action == "cancel":
            answers.append((await world.confirming.cancel(cancel_command(created.payment_id))).answer)
        elif action == "confirm":
            answer = (await world.confirming.confirm(confirm_command(created.payment_id))).answer
            answers.append(answer)
            if isinstance(answer, PaymentConfirmed) and answer.event is not None:
                await world.settlement.handle([event_of(answer)])
        else:
            reply = (await world.mock_sessions.complete(complete_command(created.payment_id))).answer
            answers.append(reply)
            if isinstance(reply, MockSessionDecided):
                await world.settlement.handle([received(reply)])

    actions = ["confirm", "cancel", "complete"]
    actions = actions[actions.index(first) :] + actions[: actions.index(first)]
    await asyncio.gather(*(act(actions[n % 3]) for n in range(50)))

    status = await assert_ends_in_one_legal_state(world, created.payment_id)
    won: tuple[type, ...] = {"completed": (PaymentConfirmed, MockSessionDecided), "canceled": (PaymentCanceled,)}[status]
    lost = {"completed": "already_paid", "canceled": "session_final"}[status]
    assert all(isinstance(answer, won) or (isinstance(answer, Refused) and answer.code == lost) for answer in answers)
