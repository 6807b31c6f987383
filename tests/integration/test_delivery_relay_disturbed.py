"""The relay when servers fail, when another relay runs beside it, and when it stops: what is committed leaves, in order, whoever dies."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from shared.delivery import relay as relay_module
from shared.delivery.errors import NotConfirmed
from shared.delivery.outbox import LANES
from shared.delivery.publisher import Publisher
from tests.integration.delivery_world import eventually, numbers_in
from tests.integration.relay_world import Outbox, die, pairs, running
from tests.integration.relay_world import box as box
from tests.integration.relay_world import no_sweep as no_sweep

# Disturbances


async def test_a_broker_that_is_down_keeps_nothing_from_being_sent_later(box: Outbox) -> None:
    async with running(box.relay()):
        await box.world.proxy.cut()
        await box.commit(*pairs(range(1, 11)))
        await asyncio.sleep(0.3)
        assert await box.unsent() == 10
        box.world.proxy.restore()
        await box.until_sent()
    assert [number for envelope in await box.arrived() for number in envelope] == list(range(1, 11))


async def test_a_broker_that_hangs_leaves_the_rows_unsent_and_they_go_out_when_it_answers(box: Outbox) -> None:
    async with running(box.relay()):
        await box.commit(*pairs([1]))
        await box.until_sent()
        box.world.proxy.hang()
        await box.commit(*pairs([2]))
        await asyncio.sleep(1.5)
        assert await box.unsent() == 1
        box.world.proxy.restore()
        await box.until_sent()
    assert {number for envelope in await box.arrived() for number in envelope} == {1, 2}


async def test_a_crash_between_publishing_and_marking_sends_twice_which_the_ids_make_harmless(box: Outbox) -> None:
    class Crashing(Publisher):
        crashes = 1

        async def publish_bytes(self, body: bytes, **properties: Any) -> None:
            await super().publish_bytes(body, **properties)
            if self.crashes:
                self.crashes -= 1
                raise NotConfirmed("it left, and nobody will ever know")

    await box.commit(*pairs([1, 2]))
    async with running(box.relay(publisher=Crashing(box.world.link, app_id="test"))):
        await box.until_sent()
    first, second = await box.messages()
    assert numbers_in(first) == numbers_in(second) == [1, 2]
    assert first.body == second.body, "the same events, with the same references: wallet credits them once"


async def test_a_lost_database_connection_is_made_again(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.1)
    terminate = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'test relay'"
    async with running(box.relay()):
        await box.commit(*pairs([1]))
        await box.until_sent()
        for number in (2, 3):
            await box.admin.fetchval(terminate)
            await box.commit_silently(*pairs([number]))
            await box.until_sent()
    assert [number for envelope in await box.arrived() for number in envelope] == [1, 2, 3]


# Leases


async def test_of_two_relays_one_sends_and_the_other_takes_over_when_it_dies(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_LEASE_SECONDS", 1.0)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.2)
    first, second = box.relay("first"), box.relay("second")
    await first.start()
    await eventually(lambda: len(first._lanes) == LANES, "first has the lanes")
    async with running(second):
        await asyncio.sleep(1.5)
        assert await box.lanes_of("first") == LANES, "it keeps renewing them"
        assert second._lanes == []

        await die(first)
        await box.commit(*pairs(range(1, 21)))
        await box.until_sent(10)
        assert await box.lanes_of("second") == LANES
    assert sorted(number for envelope in await box.arrived() for number in envelope) == list(range(1, 21))


async def test_a_relay_that_stops_gives_its_lanes_to_the_next_at_once(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_LEASE_SECONDS", 600.0)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.2)
    first, second = box.relay("first"), box.relay("second")
    await first.start()
    await eventually(lambda: len(first._lanes) == LANES, "first has the lanes")
    async with running(second):
        await first.stop()
        await box.commit(*pairs([1]))
        await box.until_sent()
    assert await box.lanes_of("first") == await box.lanes_of("second") == 0
    assert await box.arrived() == [[1]]


async def test_two_relays_at_work_never_disorder_a_key(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_LEASE_SECONDS", 0.5)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.05)
    relays = [box.relay("first"), box.relay("second")]
    for relay in relays:
        await relay.start()
    for version in range(1, 41):
        await box.commit(*pairs([version]))
        if version == 20:
            await relays[0].stop()
    await box.until_sent()
    await relays[1].stop()
    assert [number for envelope in await box.arrived() for number in envelope] == list(range(1, 41))


# Stopping and pruning


async def test_stopping_sends_what_is_there(box: Outbox, no_sweep: None) -> None:
    relay = box.relay()
    await relay.start()
    await eventually(lambda: bool(relay._lanes), "leased")
    await box.commit_silently(*pairs(range(1, 1201)))
    await relay.stop()
    assert await box.unsent() == 0


async def test_stopping_without_a_broker_is_bounded(box: Outbox) -> None:
    relay = box.relay()
    await relay.start()
    await box.world.proxy.cut()
    await box.commit(*pairs([1]))
    begun = time.monotonic()
    await relay.stop(timeout_seconds=0.5)
    assert time.monotonic() - begun < 5
    assert await box.unsent() == 1


async def test_what_was_sent_long_ago_is_pruned_and_nothing_else(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_PRUNE_ROWS", 10)
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.05)
    await box.admin.execute(
        """
        insert into wallet.outbox (lane, message_type, key, payload, correlation_id, created_at, sent_at)
        select 0, 'payment.completed.v1', 'account', n::text, '', now() - interval '3 days',
               case when n <= 35 then now() - interval '25 hours' when n <= 40 then now() - interval '23 hours' end
        from generate_series(1, 40) n
        """
    )
    async with running(box.relay()):

        async def pruned() -> bool:
            return bool(await box.admin.fetchval("select count(*) = 5 from wallet.outbox"))

        await eventually(pruned, "the old ones are gone")
    assert [row["payload"] for row in await box.admin.fetch("select payload from wallet.outbox order by id")] == [
        "36",
        "37",
        "38",
        "39",
        "40",
    ]
