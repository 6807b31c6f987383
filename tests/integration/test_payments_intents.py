"""A session is paid at its price, to its mentor, less the fee; every refusal leaves a row that says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from shared.contracts.base import new_id, utc_now
from shared.contracts.intents import IntentCreated
from shared.contracts.payment_commands import Refused
from shared.contracts.payment_events import PaymentCompleted
from shared.contracts.sessions import GetSession, SessionSaved, SessionView
from tests.integration.intents_world import (
    CREATE,
    an_intent,
    cancel_command,
    emptied,
    intent_command,
    put_command,
    refusal_of,
    view_of,
    with_demo_sessions,
)
from tests.integration.payments_world import PaymentsWorld, complete_command, deposit_command, payments_world, received, sameness


@pytest.fixture(scope="module")
async def running(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    async with payments_world(module_database_url, fee_bps=1_234) as made:
        yield made


@pytest.fixture
async def world(running: PaymentsWorld, module_database_url: str) -> PaymentsWorld:
    return await emptied(running, module_database_url)


async def test_an_intent_is_a_pending_payment_to_the_mentor_with_its_fee_and_its_secret(world: PaymentsWorld) -> None:
    created = await an_intent(world, external_id="lesson-17", metadata={"term": "autumn"})

    assert (created.status, created.method, created.session_id, created.mentor_id) == ("pending", "mock", "1", "2")
    assert created.client_secret is not None
    assert created.payment_url is not None
    assert "amount=50.00&currency=usd" in created.payment_url
    assert await world.rows("select kind, mentor_id, coaching_session_id, fee_minor, description, status from payments.payments") == [
        {
            "kind": "payment",
            "mentor_id": "2",
            "coaching_session_id": "1",
            "fee_minor": 617,
            "description": "A first conversation",
            "status": "pending",
        }
    ]
    view = await view_of(world, created.payment_id)
    assert view is not None
    assert (view.external_id, view.metadata, view.coaching_session_id) == ("lesson-17", {"term": "autumn"}, "1")


async def test_its_completion_tells_wallet_whom_to_credit_and_what_to_keep(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    decided = await world.mock_sessions.complete(complete_command(created.payment_id))
    assert not isinstance(decided.answer, Refused)

    await world.settlement.handle([received(decided.answer)])  # type: ignore[arg-type]

    (row,) = await world.rows("select payload from payments.outbox")
    told = PaymentCompleted.model_validate_json(row["payload"])
    assert (told.kind, told.user_id, told.payer_id, told.amount_minor, told.fee_minor) == ("payment", "2", "1", 5_000, 617)


async def test_the_payer_the_mentor_and_admins_see_it_and_nobody_else(world: PaymentsWorld) -> None:
    created = await an_intent(world)

    for viewer, admin, sees in (("1", False, True), ("2", False, True), ("9", True, True), ("3", False, False), ("4", False, False)):
        assert (await view_of(world, created.payment_id, viewer, admin=admin) is not None) == sees, viewer


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"session_id": "77"}, "session_not_found"),
        ({"mentor_id": "4"}, "mentor_not_found"),
        ({"user_id": "2"}, "own_session"),
        ({"amount_minor": 4_999}, "amount_mismatch"),
        ({"currency": "eur"}, "amount_mismatch"),
        ({"method": "cash"}, "method_not_available"),
    ],
)
async def test_what_does_not_fit_is_refused_for_good_and_says_why(world: PaymentsWorld, changes: dict[str, object], code: str) -> None:
    command = intent_command(idempotency=sameness("key-1", operation=CREATE), **changes)

    first = await world.intents.create(command)
    again = await world.intents.create(command)

    assert isinstance(first.answer, Refused)
    assert first.answer.code == code
    assert (again.answer, again.replayed) == (first.answer, True)
    view = await view_of(world, command.payment_id, command.user_id)
    assert view is not None
    assert view.status == "failed"
    assert view.problem == first.answer
    assert await world.rows("select 1 from payments.mock_sessions") == []


async def test_a_hundred_parallel_repeats_make_one_intent(world: PaymentsWorld) -> None:
    key = sameness("key-1", operation=CREATE)
    replies = await asyncio.gather(*(world.intents.create(intent_command(idempotency=key)) for _ in range(100)))

    assert len({reply.answer.model_dump_json() for reply in replies}) == 1
    assert sum(not reply.replayed for reply in replies) == 1
    assert await world.rows("select count(*) as n from payments.payments") == [{"n": 1}]


async def test_a_session_may_be_paid_any_number_of_times(world: PaymentsWorld) -> None:
    first, second = await an_intent(world), await an_intent(world)

    assert first.payment_id != second.payment_id
    assert first.client_secret != second.client_secret


async def test_without_a_wish_the_mock_stands_in_and_says_so_once(world: PaymentsWorld) -> None:
    command = intent_command(method=None, idempotency=sameness("key-1", operation=CREATE))
    with capture_logs() as lines:
        created = await world.intents.create(command)
        await world.intents.create(command)

    assert isinstance(created.answer, IntentCreated)
    assert created.answer.method == "mock"
    assert sum("MOCK MODE" in line["event"] for line in lines) == 1
    assert created.answer.client_secret is not None
    assert created.answer.client_secret not in repr(lines)


async def test_where_no_provider_is_configured_nothing_is_kept(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url, enabled=(), production=True) as world:
        await with_demo_sessions(world)
        command = intent_command(method=None, idempotency=sameness("key-1", operation=CREATE))
        reply = await world.intents.create(command)

        assert isinstance(reply.answer, Refused)
        assert reply.answer.code == "provider_not_configured"
        assert await world.rows("select 1 from payments.idempotency_keys") == []
        assert await world.rows("select 1 from payments.payments") == []


async def test_too_late_nothing_is_made(world: PaymentsWorld) -> None:
    assert await refusal_of(world, deadline=utc_now()) == "deadline_passed"
    assert await world.rows("select 1 from payments.payments") == []


# ---- what its maker calls it


async def test_an_external_id_is_unique_within_caller_and_kind_and_freed_by_an_end_without_payment(world: PaymentsWorld) -> None:
    first = await an_intent(world, external_id="lesson-1")
    assert await refusal_of(world, external_id="lesson-1") == "external_id_reused"
    await world.deposits.create(deposit_command(external_id="lesson-1"))
    theirs = sameness(caller="user:3", operation=CREATE)
    await an_intent(world, external_id="lesson-1", user_id="3", idempotency=theirs)
    assert (await world.rows("select count(*) as n from payments.payments where status = 'pending'")) == [{"n": 3}]

    await world.confirming.cancel(cancel_command(first.payment_id))
    second = await an_intent(world, external_id="lesson-1")
    await world.settlement.handle([await world.decide(second.payment_id, "failure")])
    third = await an_intent(world, external_id="lesson-1")
    await world.settlement.handle([await world.decide(third.payment_id)])
    assert await refusal_of(world, external_id="lesson-1") == "external_id_reused"


async def test_fifty_parallel_requests_under_one_external_id_make_one_payment(world: PaymentsWorld) -> None:
    replies = await asyncio.gather(*(world.intents.create(intent_command(external_id="lesson-1")) for _ in range(50)))

    assert sum(isinstance(reply.answer, IntentCreated) for reply in replies) == 1
    assert {reply.answer.code for reply in replies if isinstance(reply.answer, Refused)} == {"external_id_reused"}


# ---- sessions


async def test_a_session_is_put_changed_and_read(world: PaymentsWorld) -> None:
    made = (await world.sessions.put(put_command())).answer
    same = (await world.sessions.put(put_command())).answer
    dearer = (await world.sessions.put(put_command(price_minor=2_000, currency="usd", title="Two"))).answer
    read = await world.sessions.get(GetSession(correlation_id="q", session_id="7"))

    assert isinstance(made, SessionSaved)
    assert isinstance(same, SessionSaved)
    assert isinstance(dearer, SessionSaved)
    assert (made.created, same.created, dearer.created) == (True, False, False)
    assert same.session == made.session
    assert isinstance(read, SessionView)
    assert read == dearer.session
    assert (read.price_minor, read.currency, read.title, read.mentor_id) == (2_000, "usd", "Two", "2")
    assert read.updated_at > made.session.updated_at
    assert await world.rows("select 1 from payments.audit") == [], "mentors' own doings are theirs"


async def test_the_mentor_of_a_session_never_changes(world: PaymentsWorld) -> None:
    await world.sessions.put(put_command())
    reply = await world.sessions.put(put_command(mentor_id="4", user_id="4"))
    by_admin = await world.sessions.put(put_command(mentor_id="4", user_id="9"))

    for answer in (reply.answer, by_admin.answer):
        assert isinstance(answer, Refused)
        assert answer.code == "session_mentor_fixed"


async def test_what_an_admin_puts_for_a_mentor_is_in_the_audit_log(world: PaymentsWorld) -> None:
    await world.sessions.put(put_command(user_id="9"))

    (row,) = await world.rows("select actor, action, resource, details ->> 'price_minor' as price from payments.audit")
    assert row == {"actor": "user:9", "action": "session.put", "resource": "session:7", "price": "1000"}


async def test_fifty_mentors_at_once_make_one_session_of_one_of_them(world: PaymentsWorld) -> None:
    replies = await asyncio.gather(*(world.sessions.put(put_command(mentor_id=str(n), user_id=str(n))) for n in range(50)))

    (saved,) = [reply.answer for reply in replies if isinstance(reply.answer, SessionSaved)]
    read = await world.sessions.get(GetSession(correlation_id="q", session_id="7"))
    assert saved.session == read


async def test_a_new_price_leaves_intents_that_are_under_way_alone(world: PaymentsWorld) -> None:
    created = await an_intent(world)
    await world.sessions.put(put_command(session_id="1", price_minor=9_900, currency="usd"))

    await world.settlement.handle([await world.decide(created.payment_id)])

    (row,) = await world.rows("select status, amount_minor from payments.payments")
    assert row == {"status": "completed", "amount_minor": 5_000}


async def test_no_such_session(world: PaymentsWorld) -> None:
    answer = await world.sessions.get(GetSession(correlation_id="q", session_id=str(new_id())))
    assert isinstance(answer, Refused)
    assert answer.code == "session_not_found"
