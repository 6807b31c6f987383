"""The mock's sessions are decided once; what its signed events say moves the payment once, whatever is repeated, late or contrary."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from uuid import UUID

import orjson
import pytest

from services.payments.providers.mock.adapter import sign
from services.payments.store.events import unsealed
from shared.contracts.base import new_id, utc_now
from shared.contracts.payment_commands import MockSessionDecided, Refused
from shared.contracts.payment_events import PaymentCompleted, ProviderEventReceived
from shared.contracts.queries import GetPayment, PaymentView
from shared.delivery.errors import NotYet, Permanent
from shared.keys import Keys
from tests.integration.payments_world import SECRET, PaymentsWorld, complete_command, payments_world, received, sameness


async def outbox_of(world: PaymentsWorld) -> list[PaymentCompleted]:
    return [
        PaymentCompleted.model_validate_json(row["payload"])
        for row in await world.rows("select payload from payments.outbox where message_type = 'payment.completed.v1' order by id")
    ]


async def status_of(world: PaymentsWorld, payment_id: UUID) -> str:
    (row,) = await world.rows("select status from payments.payments where payment_id = $1", payment_id)
    return str(row["status"])


def event(
    session_id: UUID, *, kind: str = "session.paid", charge: str = "ch_other", amount_minor: int = 200_000, currency: str = "rsd"
) -> ProviderEventReceived:
    """An authentic event of the mock with any content, as only its own mistakes could send."""
    body = orjson.dumps(
        {
            "id": f"evt_{new_id().hex}",
            "type": kind,
            "created": utc_now().isoformat(),
            "data": {"session_id": str(session_id), "charge": charge, "amount_minor": amount_minor, "currency": currency},
        }
    )
    signed = sign("evt", body, Keys((SECRET,)))
    return ProviderEventReceived(correlation_id="request-3", provider="mock", headers=signed.headers, body=base64.b64encode(signed.body))


async def refusal(world: PaymentsWorld, session_id: UUID | str, **changes: object) -> str:
    reply = await world.mock_sessions.complete(complete_command(session_id, **changes))
    assert isinstance(reply.answer, Refused)
    return reply.answer.code


async def test_success_completes_the_payment_and_tells_wallet_once(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        proof = await world.decide(created.session_id)

        for _ in range(3):
            assert not await world.settlement.handle([proof, proof])

        (told,) = await outbox_of(world)
        assert (told.payment_id, told.user_id, told.amount_minor, told.currency) == (created.payment_id, "1", 200_000, "rsd")
        assert told.credit_reference.startswith("mock:ch_")
        assert told.correlation_id == "request-2", "the completing request's id goes on to the frame"
        assert await status_of(world, created.payment_id) == "completed"
        assert await world.rows("select count(*) as n from payments.provider_events") == [{"n": 1}]


async def test_nobody_reads_what_a_provider_has_sent_off_the_disk(fresh_database_url: str) -> None:
    """From the first row on; whoever has the key reads it as it came."""
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        proof = await world.decide(created.session_id)
        await world.settlement.handle([proof, event(new_id())])

        rows = await world.rows("select stored.*, stored::text as text from payments.provider_events as stored order by outcome")
        assert [row["outcome"] for row in rows] == ["applied", "unknown_reference"]
        for row in rows:
            seen = row["text"].encode() + row["sealed"]
            assert not [
                clear for clear in (b"session.paid", b"charge", b"webhook-", b"v1,") if clear in seen or clear.hex().encode() in seen
            ]
        assert unsealed(world.settlement.seal, rows[0]["sealed"]) == (proof.headers, proof.body)


async def test_failure_fails_the_payment_and_tells_wallet_nothing(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        await world.settlement.handle([await world.decide(created.session_id, "failure")])

        assert await status_of(world, created.payment_id) == "failed"
        assert await outbox_of(world) == []


async def test_fifty_parallel_completions_with_both_outcomes_decide_once(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        replies = await asyncio.gather(
            *(
                world.mock_sessions.complete(complete_command(created.session_id, outcome="success" if n % 2 else "failure"))
                for n in range(50)
            )
        )
        decided = [reply.answer for reply in replies if isinstance(reply.answer, MockSessionDecided)]
        refused = [reply.answer for reply in replies if isinstance(reply.answer, Refused)]

        assert len(decided) == len(refused) == 25
        assert len({answer.event.body for answer in decided}) == 1, "one outcome is one event"
        assert {answer.code for answer in refused} == {"session_final"}


async def test_what_may_not_be_completed(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()

        assert await refusal(world, created.session_id, amount="1999.99") == "amount_mismatch"
        assert await refusal(world, created.session_id, amount="2000.001") == "invalid_amount"
        assert await refusal(world, created.session_id, user_id="3") == "session_not_found"
        assert await refusal(world, new_id()) == "session_not_found"
        assert await refusal(world, "not-an-id") == "session_not_found"
        assert await refusal(world, created.session_id, deadline=utc_now() - timedelta(seconds=1)) == "deadline_passed"
        assert isinstance(
            (await world.mock_sessions.complete(complete_command(created.session_id, amount="2000"))).answer, MockSessionDecided
        )
        assert await refusal(world, created.session_id, outcome="failure") == "session_final"


async def test_an_expired_session_cannot_be_completed(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        async with world.pool.acquire() as db:
            await db.execute("update payments.mock_sessions set expires_at = now() - interval '1 second'")
            await db.execute("update payments.payments set expires_at = now() - interval '1 second'")

        assert await refusal(world, created.session_id) == "session_final"
        view = await world.views.payment(GetPayment(correlation_id="q", payment_id=str(created.payment_id), viewer_user_id="1"))
        assert isinstance(view, PaymentView)
        assert view.status == "expired"


async def test_a_completion_repeated_under_its_key_gives_the_same_event_freshly_signed(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        key = sameness("key-1", operation="POST /api/v1/balance/mock/complete")
        first = await world.mock_sessions.complete(complete_command(created.session_id, idempotency=key))
        again = await world.mock_sessions.complete(complete_command(created.session_id, idempotency=key))
        other = await world.mock_sessions.complete(
            complete_command(created.session_id, idempotency=key.model_copy(update={"fingerprint": "0" * 64}))
        )

        assert isinstance(first.answer, MockSessionDecided)
        assert isinstance(again.answer, MockSessionDecided)
        assert again.replayed
        assert again.answer.event.body == first.answer.event.body
        assert isinstance(other.answer, Refused)
        assert other.answer.code == "idempotency_key_reused"
        await world.settlement.handle([received(first.answer), received(again.answer)])
        assert len(await outbox_of(world)) == 1


async def test_a_proof_of_payment_beats_a_refusal_that_came_first(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        declined, paid = event(created.session_id, kind="session.failed"), event(created.session_id)

        await world.settlement.handle([declined])
        assert await status_of(world, created.payment_id) == "failed"
        await world.settlement.handle([paid, declined])

        assert await status_of(world, created.payment_id) == "completed"
        assert len(await outbox_of(world)) == 1


async def test_a_refusal_after_the_proof_changes_nothing(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        await world.settlement.handle([event(created.session_id), event(created.session_id, kind="session.failed")])

        assert await status_of(world, created.payment_id) == "completed"


async def test_two_events_of_one_charge_are_one_credit_and_a_second_charge_is_kept_apart(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        await world.settlement.handle([event(created.session_id, charge="ch_1"), event(created.session_id, charge="ch_1")])
        await world.settlement.handle([event(created.session_id, charge="ch_2")])

        assert len(await outbox_of(world)) == 1
        outcomes = await world.rows("select outcome, count(*) as n from payments.provider_events group by outcome order by outcome")
        assert outcomes == [{"outcome": "applied", "n": 1}, {"outcome": "second_payment", "n": 1}, {"outcome": "unchanged", "n": 1}]


async def test_money_that_does_not_fit_moves_nothing_and_is_kept_with_its_reason(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        strange = [
            event(created.session_id, amount_minor=1),
            event(created.session_id, currency="usd"),
            event(new_id()),
            event(created.session_id, kind="session.viewed"),
        ]

        assert not await world.settlement.handle(strange)

        assert await status_of(world, created.payment_id) == "pending"
        assert await outbox_of(world) == []
        kept = {row["outcome"] for row in await world.rows("select outcome from payments.provider_events")}
        assert kept == {"less_than_asked", "currency_mismatch", "unknown_reference", "ignored"}


async def test_an_unreadable_event_fails_alone(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = await world.deposit()
        poison = ProviderEventReceived(correlation_id="p", provider="mock", headers={}, body=base64.b64encode(b"{}"))
        stranger = ProviderEventReceived(correlation_id="s", provider="nobody", headers={}, body=base64.b64encode(b"{}"))

        failures = await world.settlement.handle([poison, await world.decide(created.session_id), stranger])

        assert [failure.index for failure in failures] == [0, 2]
        assert isinstance(failures[0].error, Permanent)
        assert await status_of(world, created.payment_id) == "completed"


async def test_what_a_provider_tells_before_payments_has_its_credentials_waits_for_them(fresh_database_url: str) -> None:
    """Gateway has its secret already, or still, and has answered 200: nobody tells it again."""
    async with payments_world(fresh_database_url) as world:
        early = ProviderEventReceived(correlation_id="s", provider="prodamus", headers={}, body=base64.b64encode(b"{}"))
        (failure,) = await world.settlement.handle([early])
        assert isinstance(failure.error, NotYet)


async def test_one_batch_of_many_payments_of_many_users(fresh_database_url: str) -> None:
    async with payments_world(fresh_database_url) as world:
        created = [await world.deposit(user_id=str(n % 7)) for n in range(60)]
        proofs = [await world.decide(c.session_id, user_id=str(n % 7)) for n, c in enumerate(created)]

        await asyncio.gather(*(world.settlement.handle(proofs[start:] + proofs[:start]) for start in (0, 20, 40)))

        told = await outbox_of(world)
        assert sorted(message.payment_id for message in told) == sorted(c.payment_id for c in created)


@pytest.mark.parametrize("named_by", ["payment_id", "session_id"])
async def test_who_waits_for_a_payment_is_woken_by_its_settling(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    """Whichever of its two names the payment was asked for by; looking again now and then is only the net beneath."""
    monkeypatch.setattr("shared.waiting._RECHECK_SECONDS", 60.0)
    async with payments_world(fresh_database_url) as world:
        made = await world.deposit()
        query = GetPayment(payment_id=str(getattr(made, named_by)), viewer_user_id="1", wait_seconds=20, correlation_id="request-4")
        waiting = asyncio.create_task(world.views.payment(query))
        proof = await world.decide(made.session_id)
        while not world.views.waiters._events:
            await asyncio.sleep(0)
        await world.settlement.handle([proof])

        async with asyncio.timeout(10):
            view = await waiting
        assert isinstance(view, PaymentView)
        assert view.status == "completed"
