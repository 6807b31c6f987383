"""Payments and withdrawals on open sockets: two notifier processes on a real broker, told as payments tells them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import ClientConnection

from services.notifier.notices import NOTICES_MAX, PaymentEvent
from shared.contracts.base import new_id
from shared.contracts.payment_events import PaymentCompleted, PaymentUpdated, WithdrawalUpdated
from shared.contracts.topology import route_of
from shared.delivery.publisher import EnvelopePublisher
from tests.integration.notifier_world import Replica, StandInWallet, frame, notifier_on, wallet_on
from tests.payment_events import completed, updated, withdrawn


@pytest.fixture(scope="module")
async def wallet(module_amqp_url: str) -> AsyncIterator[StandInWallet]:
    async with wallet_on(module_amqp_url) as wallet:
        yield wallet


@pytest.fixture(scope="module")
async def replicas(module_amqp_url: str, wallet: StandInWallet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Replica]]:
    folder = tmp_path_factory.mktemp("notifiers")
    async with notifier_on(module_amqp_url, folder) as first, notifier_on(module_amqp_url, folder) as second:
        yield [first, second]


@pytest.fixture
def replica(replicas: list[Replica]) -> Replica:
    return replicas[0]


@pytest.fixture
def user() -> str:
    return f"user-{new_id()}"


async def tell(wallet: StandInWallet, *events: PaymentEvent) -> None:
    """In order, neighbours of one route in one envelope, each envelope confirmed before the next leaves."""
    for kind, group in groupby(events, key=type):
        publisher: EnvelopePublisher[PaymentEvent] = EnvelopePublisher(wallet.publisher, route_of(kind))
        await asyncio.gather(*(publisher.submit(event) for event in group))


async def tell_bytes(wallet: StandInWallet, key: str, body: bytes) -> None:
    await wallet.publisher.publish_bytes(
        body, exchange="events", routing_key=key, message_type=key, message_id=str(new_id()), correlation_id="c-poison"
    )


async def frames(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [await frame(socket) for _ in range(count)]


async def is_silent(wallet: StandInWallet, socket: ClientConnection, user: str) -> bool:
    """Whether nothing was told before an event that is told now."""
    last = withdrawn("sending", user=user, withdrawal=new_id())
    await tell(wallet, last)
    return (await frame(socket)).get("withdrawal_id") == str(last.withdrawal_id)


def seen(told: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["type"], one["status"]) for one in told]


async def test_each_event_is_a_frame(replica: Replica, wallet: StandInWallet, user: str) -> None:
    payment, withdrawal = new_id(), new_id()
    async with replica.opened(user) as socket:
        await frame(socket)
        await tell(
            wallet,
            completed(payment=payment, payer=user, user=None, kind="order", correlation_id=f"c-{payment}"),
            updated("partially_refunded", payment=payment, users=(user,), refunded_amount_minor=2005, seconds=60),
            withdrawn("rejected", withdrawal=withdrawal, user=user, reason="the account does not exist"),
        )
        told = sorted(await frames(socket, 3), key=lambda one: (one["type"], one["updated_at"]))
    paid = {
        "type": "payment.updated",
        "payment_id": str(payment),
        "status": "completed",
        "kind": "order",
        "method": "mock",
        "amount": 50.0,
        "amount_minor": 5000,
        "currency": "usd",
        "refunded_amount": 0.0,
        "refunded_amount_minor": 0,
        "updated_at": "2026-11-21T12:00:00Z",
    }
    refunded = {
        "status": "partially_refunded",
        "refunded_amount": 20.05,
        "refunded_amount_minor": 2005,
        "updated_at": "2026-11-21T12:01:00Z",
    }
    assert told == [
        paid,
        paid | {"kind": "payment"} | refunded,
        {
            "type": "withdrawal.updated",
            "withdrawal_id": str(withdrawal),
            "status": "rejected",
            "amount": 2000.5,
            "amount_minor": 200_050,
            "currency": "rsd",
            "reason": "the account does not exist",
            "updated_at": "2026-11-21T12:00:00Z",
        },
    ]
    (line,) = [line for line in replica.log_lines() if line.get("correlation_id") == f"c-{payment}"]
    assert (line["event"], line["type"], line["id"], line["sockets"]) == ("notice pushed", "payment.completed.v1", str(payment), 1)


async def test_payer_and_mentor_are_told_on_every_replica_and_nobody_else(
    replicas: list[Replica], wallet: StandInWallet, user: str
) -> None:
    first, second = replicas
    mentor, other = f"mentor-{user}", f"other-{user}"
    async with first.opened(user) as one, second.opened(user) as two, second.opened(mentor) as three, first.opened(other) as four:
        for socket in (one, two, three, four):
            await frame(socket)
        await tell(wallet, completed(payment=new_id(), payer=user, user=mentor))
        told = [await frame(socket) for socket in (one, two, three)]
        assert told[0] == told[1] == told[2]
        assert told[0]["status"] == "completed"
        assert await is_silent(wallet, four, other)


async def test_repeats_and_late_states_are_not_told(replica: Replica, wallet: StandInWallet, user: str) -> None:
    payment, withdrawal = new_id(), new_id()
    disputed = updated("disputed", payment=payment, users=(user,), seconds=60)
    paid = completed(payment=payment, payer=user, user=user, seconds=90)
    async with replica.opened(user) as socket:
        await frame(socket)
        await tell(wallet, disputed, withdrawn("paid", withdrawal=withdrawal, user=user, seconds=2))
        assert seen(await frames(socket, 2)) == [("payment.updated", "disputed"), ("withdrawal.updated", "paid")]
        late = [
            updated(state, payment=payment, users=(user,), seconds=at) for state, at in (("pending", 0), ("expired", 70), ("refunded", 59))
        ]
        await tell(wallet, *late, disputed, paid, disputed, withdrawn("approved", withdrawal=withdrawal, user=user, seconds=3))
        assert await is_silent(wallet, socket, user)
        await tell(wallet, updated("completed", payment=payment, users=(user,), seconds=120))
        assert seen(await frames(socket, 1)) == [("payment.updated", "completed")]


async def test_poison_is_dropped_and_its_neighbours_are_told_once(replica: Replica, wallet: StandInWallet, user: str) -> None:
    good: list[WithdrawalUpdated] = [withdrawn("paid", withdrawal=new_id(), user=user) for _ in range(3)]
    # A currency that reads well and has no decimals that anybody knows: it fails when its frame is made.
    unknown_money = good[0].model_copy(update={"withdrawal_id": new_id(), "currency": "zzz"})
    envelope = {
        "type": WithdrawalUpdated.TYPE,
        "events": [
            *(json.loads(event.model_dump_json()) for event in (good[0], unknown_money, good[1])),
            {"poison": True},
            json.loads(updated("failed", users=(user,)).model_dump_json()),
        ],
    }
    async with replica.opened(user) as socket:
        await frame(socket)
        for key in (PaymentCompleted.TYPE, PaymentUpdated.TYPE, WithdrawalUpdated.TYPE):
            for body in (b"garble", b"{}", b'{"type":"balance.changed.v1","events":[{}]}'):
                await tell_bytes(wallet, key, body)
        await tell_bytes(wallet, WithdrawalUpdated.TYPE, json.dumps(envelope).encode())
        await tell(wallet, good[2])
        told = [UUID(one["withdrawal_id"]) for one in await frames(socket, 3)]
        assert told == [event.withdrawal_id for event in good]
        assert await is_silent(wallet, socket, user)
    assert [line["error"] for line in replica.log_lines() if line["event"] == "event dropped"] == ["KeyError: 'zzz'"]


async def test_a_slow_client_gets_the_newest_and_is_told_that_there_were_more(
    module_amqp_url: str, wallet: StandInWallet, tmp_path: Path, user: str
) -> None:
    async with (
        notifier_on(module_amqp_url, tmp_path, log_level="WARNING") as replica,
        replica.opened(user) as quick,
        replica.opened(user, max_queue=1) as slow,
    ):
        await frame(quick)
        events = [withdrawn("rejected", withdrawal=new_id(), user=user, reason="r" * 500) for _ in range(10_000)]
        # Paced by the quick client, never more at once than may wait for it: it is the slow one alone that has no room.
        for start in range(0, len(events), NOTICES_MAX):
            portion = events[start : start + NOTICES_MAX]
            await tell(wallet, *portion)
            assert [one["withdrawal_id"] for one in await frames(quick, len(portion))] == [str(event.withdrawal_id) for event in portion]
        dropped = await replica.metric("purser_notices_dropped_total")
        assert dropped > 0
        assert (await frame(slow))["type"] == "balance.snapshot"
        told = await frames(slow, len(events) - int(dropped))
        place = {str(event.withdrawal_id): number for number, event in enumerate(events)}
        places = [place[one["withdrawal_id"]] for one in told]
        assert places[-NOTICES_MAX:] == list(range(len(events) - NOTICES_MAX, len(events)))
        after_gaps = [number for before, number in pairwise([-1, *places]) if number != before + 1]
        assert after_gaps == [place[one["withdrawal_id"]] for one in told if "updates_truncated" in one]
        await tell(wallet, withdrawn("returned", withdrawal=events[0].withdrawal_id, user=user))
        assert seen([await frame(slow)]) == [("withdrawal.updated", "returned")], "it keeps up again"
