"""The steps of a payment as payments tells them: from the request to the message, each with its time and what links it to the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.payments.store import audit
from services.payments.store.events import PURPOSE
from shared import postgres
from shared.contracts.base import new_id
from shared.contracts.history import GetTimeline, TimelineStep, TimelineView
from shared.contracts.payment_commands import DepositCreated, Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.sealing import Seal
from tests.integration.history_world import NOON, HistoryWorld, history_world
from tests.integration.payments_world import PaymentsWorld, payments_world


@pytest.fixture(scope="module")
async def living(module_database_url: str) -> AsyncIterator[PaymentsWorld]:
    """A payments service's insides, on the same database as `world`."""
    async with payments_world(module_database_url) as running:
        yield running


@pytest.fixture(scope="module")
async def world(living: PaymentsWorld, module_database_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(module_database_url) as running:
        yield running


async def told(world: HistoryWorld, payment_id: UUID | str, viewer: str = "1", *, is_admin: bool = False) -> TimelineView:
    answer = await ask(world, payment_id, viewer, is_admin=is_admin)
    assert isinstance(answer, TimelineView), answer
    return answer


async def ask(world: HistoryWorld, payment_id: UUID | str, viewer: str, *, is_admin: bool = False) -> TimelineView | Refused:
    asked = GetTimeline(correlation_id="q", payment_id=str(payment_id), viewer_user_id=viewer, viewer_is_admin=is_admin)
    return await world.history.timeline(asked)


def named(view: TimelineView, *names: str) -> list[TimelineStep]:
    return [step for step in view.steps if step.step in names]


async def a_paid_top_up(living: PaymentsWorld) -> tuple[DepositCreated, ProviderEventReceived]:
    made = await living.deposit(correlation_id="the-deposit")
    event = (await living.decide(made.session_id)).model_copy(update={"correlation_id": "the-completion"})
    assert await living.settlement.handle([event]) == []
    return made, event


async def test_a_top_up_is_told_from_the_request_to_the_message(living: PaymentsWorld, world: HistoryWorld) -> None:
    made, event = await a_paid_top_up(living)
    view = await told(world, made.payment_id)

    assert [(step.step, step.service, step.ids["request_id"]) for step in view.steps] == [
        ("payment.requested", "payments", "the-deposit"),
        ("session.opened", "payments", "the-deposit"),
        ("provider_event.received", "gateway", "the-completion"),
        ("provider_event.stored", "payments", "the-completion"),
        ("payment.completed", "payments", "the-completion"),
        ("message.written", "payments", "the-completion"),
    ]
    requested, opened, received, stored, completed, written = view.steps
    assert requested.detail == {"kind": "deposit", "method": "mock", "amount_minor": 200_000, "currency": "rsd"}
    assert opened.ids["session_id"] == str(made.session_id)
    assert received.at == event.occurred_at
    assert received.ids["event_id"] == stored.ids["event_id"]
    assert (stored.detail, received.detail) == ({"provider": "mock", "outcome": "applied"}, {"provider": "mock"})
    assert view.references == (completed.ids["transaction_id"],)
    assert written.detail == {"type": "payment.completed.v1"}
    (row,) = await living.rows("select payload from payments.outbox where payload like $1", f"%{made.payment_id}%")
    assert f'"message_id":"{written.ids["message_id"]}"' in row["payload"]


async def test_a_message_is_told_as_sent_once_it_was_and_no_more_when_it_is_gone(living: PaymentsWorld, world: HistoryWorld) -> None:
    made, _ = await a_paid_top_up(living)
    async with world.admin() as admin:
        await admin.execute("update payments.outbox set sent_at = clock_timestamp() where payload like $1", f"%{made.payment_id}%")
        written, sent = named(await told(world, made.payment_id), "message.written", "message.sent")
        await admin.execute("delete from payments.outbox where payload like $1", f"%{made.payment_id}%")
        pruned = named(await told(world, made.payment_id), "message.written", "message.sent")

    assert (sent.ids, sent.at > written.at) == (written.ids, True)
    assert pruned == []


async def test_a_decline_a_repeat_and_a_late_proof_are_all_there(living: PaymentsWorld, world: HistoryWorld) -> None:
    """What came first is kept when something stronger comes; the outcome that is told is the last one, of its own event."""
    made = await living.deposit(correlation_id="the-deposit")
    declined = await living.decide(made.session_id, "failure")
    await living.settlement.handle([declined.model_copy(update={"correlation_id": "declined"})])
    first = named(await told(world, made.payment_id), "payment.failed")
    async with world.admin() as admin:
        await admin.execute(
            "update payments.mock_sessions set outcome = null, event_id = null, decided_at = null where session_id = $1", made.session_id
        )
    paid = await living.decide(made.session_id)
    await living.settlement.handle([paid.model_copy(update={"correlation_id": "paid"})])
    view = await told(world, str(made.session_id))

    assert [step.ids["request_id"] for step in first] == ["declined"]
    assert [step.ids["request_id"] for step in named(view, "provider_event.stored")] == ["declined", "paid"]
    assert [step.ids["request_id"] for step in named(view, "payment.completed", "payment.failed")] == ["paid"]
    assert [step.detail["type"] for step in named(view, "message.written")] == ["payment.updated.v1", "payment.completed.v1"]


async def test_what_nobody_told_is_of_the_request_that_began_it(living: PaymentsWorld, world: HistoryWorld) -> None:
    """The reconciler asked, and there is no event."""
    made = await living.deposit(correlation_id="the-deposit")
    await living.decide(made.session_id)
    async with world.admin() as admin:
        await admin.execute("update payments.payments set reconcile_at = now() where payment_id = $1", made.payment_id)
    await living.reconciler.reconcile_due()
    (completed,) = named(await told(world, made.payment_id), "payment.completed")
    assert completed.ids["request_id"] == "the-deposit"


async def test_only_admins_see_what_came_as_it_came(living: PaymentsWorld, world: HistoryWorld) -> None:
    made, event = await a_paid_top_up(living)
    (hidden,) = named(await told(world, made.payment_id), "provider_event.received")
    (shown,) = named(await told(world, made.payment_id, "9", is_admin=True), "provider_event.received")
    assert set(hidden.detail) == {"provider"}
    assert shown.detail == {"provider": "mock", "headers": event.headers, "body": event.body.decode()}


async def test_whoever_may_not_know_of_it_is_told_of_nothing(world: HistoryWorld) -> None:
    payment_id = await world.payment(kind="payment", user_id="1", mentor_id="2")
    assert [step.step for step in (await told(world, payment_id, "2")).steps] == ["payment.requested"]
    assert [step.step for step in (await told(world, payment_id, "9", is_admin=True)).steps] == ["payment.requested"]
    for asked, viewer in ((payment_id, "3"), (new_id(), "1"), ("not-an-id", "1"), (new_id(), "9")):
        answer = await ask(world, asked, viewer, is_admin=viewer == "9")
        assert isinstance(answer, Refused)
        assert (answer.code, answer.request_id) == ("payment_not_found", "q")


async def raw_event(world: HistoryWorld, payment_id: UUID, sealed: bytes | None, second: int = 0) -> None:
    at = NOON + timedelta(seconds=second)
    await world.write(
        "provider_events",
        provider="mock",
        event_id=str(new_id()),
        sealed=sealed,
        payment_id=payment_id,
        outcome="unchanged",
        correlation_id=f"r{second}",
        received_at=at,
        stored_at=at,
    )


async def test_raw_payloads_that_cannot_be_shown_say_why(world: HistoryWorld) -> None:
    payment_id = await world.payment()
    large = world.seal.close(b"{}\n" + b"x" * 700_000)
    payloads = [
        large,
        None,
        Seal(("another key that was dropped since",), PURPOSE).close(b"{}\nx"),
        world.seal.close(b'{"a":"b"}\n\xff\x00'),
        large,
    ]
    for second, sealed in enumerate(payloads):
        await raw_event(world, payment_id, sealed, second)
    view = await told(world, payment_id, "9", is_admin=True)

    first, lost, foreign, binary, newest = (step.detail for step in named(view, "provider_event.received"))
    assert first == {"provider": "mock", "raw_left_out": "too large together with the newer ones"}
    assert lost["raw_left_out"] == "not kept"
    assert foreign["raw_left_out"] == "none of DATA_KEYS opens it"
    assert (binary["headers"], binary["body_hex"]) == ({"a": "b"}, "ff00")
    assert len(str(newest["body"])) == 700_000


async def test_very_many_events_are_cut_to_the_newest_and_that_is_said(world: HistoryWorld) -> None:
    payment_id = await world.payment()
    for second in range(101):
        await raw_event(world, payment_id, None, second)
    view = await told(world, payment_id)
    requests = [step.ids["request_id"] for step in named(view, "provider_event.stored")]
    assert view.truncated
    assert requests == [f"r{second}" for second in range(1, 101)]


# ---- what followed


async def test_refunds_disputes_and_suspense_are_told_with_the_ledgers_names_of_them(world: HistoryWorld) -> None:
    payment_id = await world.payment(status="completed", refunded_minor=300)
    refunds = [new_id(), new_id()]
    dispute, item = new_id(), new_id()
    refund: dict[str, Any] = {
        "payment_id": payment_id,
        "provider": "mock",
        "currency": "rsd",
        "origin": "request",
        "owner_id": "1",
        "correlation_id": "the-refund",
        "created_at": NOON + timedelta(hours=1),
        "updated_at": NOON + timedelta(hours=3),
    }
    await world.write(
        "refunds", refund_id=refunds[0], amount_minor=300, wanted_minor=300, held_minor=300, loss_minor=0, state="succeeded",
        settled_at=NOON + timedelta(hours=2), provider_reference=f"re_{refunds[0]}", **refund,
    )  # fmt: skip
    await world.write(
        "refunds", refund_id=refunds[1], amount_minor=100, wanted_minor=100, state="failed", failure_reason="declined", **refund
    )
    await world.write(
        "disputes", dispute_id=dispute, payment_id=payment_id, provider="mock", dispute_reference=f"dp_{dispute}", amount_minor=700,
        currency="rsd", owner_id="1", owner_minor=700, fee_minor=0, loss_minor=0, state="won", outcome="won", correlation_id="the-dispute",
        created_at=NOON + timedelta(hours=4), updated_at=NOON + timedelta(hours=5),
    )  # fmt: skip
    await world.write(
        "suspense_items", item_id=item, provider="mock", charge_reference=f"ch_{item}", part="all", session_id=new_id(),
        payment_id=payment_id, amount_minor=50, currency="eur", reason="currency_mismatch",
        correlation_id="the-misfit", created_at=NOON + timedelta(minutes=5), received_at=NOON + timedelta(minutes=6),
    )  # fmt: skip
    async with postgres.transaction(world.pool) as tx:
        await audit.write_down(tx, actor="user:9", action="refund.force", resource=f"refund:{refunds[0]}", request_id="the-force")
    view = await told(world, payment_id)

    followed = [step for step in view.steps if step.step.split(".")[0] in ("refund", "dispute", "suspense")]
    assert [(step.step, step.ids["request_id"], (step.at - NOON) / timedelta(minutes=1)) for step in followed] == [
        ("suspense.opened", "the-misfit", 5),
        ("refund.requested", "the-refund", 60),
        ("refund.requested", "the-refund", 60),
        ("refund.succeeded", "the-refund", 120),
        ("refund.failed", "the-refund", 180),
        ("dispute.opened", "the-dispute", 240),
        ("dispute.won", "the-dispute", 300),
    ]
    assert followed[0].detail == {"amount_minor": 50, "currency": "eur", "reason": "currency_mismatch"}
    assert followed[3].ids == {"refund_id": str(refunds[0]), "provider_reference": f"re_{refunds[0]}", "request_id": "the-refund"}
    assert followed[4].detail == {"reason": "declined"}
    assert set(view.references) == {
        f"mock:ch_{payment_id}",
        *(f"suspense:{item}:{end}" for end in ("received", "assigned", "refunded", "written-off")),
        *(f"refund:{refund_id}{end}" for refund_id in refunds for end in ("", ":reversal")),
        f"dispute:{dispute}:opened",
        f"dispute:{dispute}:won",
    }
    assert [step.step for step in view.steps if step.step.startswith("audit")] == [], "for admins only"
    actions = [step for step in (await told(world, payment_id, "9", is_admin=True)).steps if step.step.startswith("audit")]
    assert [(step.step, step.detail["actor"], step.ids["request_id"]) for step in actions] == [
        ("audit.refund.force", "user:9", "the-force")
    ]


async def test_a_payment_from_the_balance_is_known_to_the_ledger_before_it_is_to_us(world: HistoryWorld) -> None:
    payment_id = await world.payment(kind="payment", provider="balance", session_id=None)
    assert (await told(world, payment_id)).references == (f"balance:{payment_id}",)
