"""The outbox and its relay over real servers: what is committed leaves soon, and in order."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.contracts.topology import ENVELOPE_EVENTS, PAYMENTS_COMMANDS
from shared.delivery import envelopes as envelopes_module
from shared.delivery import outbox
from shared.delivery import relay as relay_module
from shared.postgres import transaction
from tests.integration.delivery_world import event, eventually, numbers_in
from tests.integration.relay_world import SCHEMA, Outbox, balance, pairs, running
from tests.integration.relay_world import box as box
from tests.integration.relay_world import no_sweep as no_sweep
from tests.integration.test_delivery_publisher import command

# Being told


async def test_a_commit_of_this_process_leaves_at_once_when_the_relay_is_woken(box: Outbox, no_sweep: None) -> None:
    async with running(box.relay()) as relay:
        await eventually(lambda: bool(relay._lanes), "leased")
        await box.commit_silently(("account", event(1)))
        begun = time.monotonic()
        relay.wake()
        await box.until_sent()
        assert time.monotonic() - begun < 5
    assert await box.arrived() == [[1]]


async def test_a_commit_of_another_process_leaves_at_once_by_notify(box: Outbox, no_sweep: None) -> None:
    async with running(box.relay()):
        # LISTEN begins in the background.
        async def listens() -> bool:
            return bool(await box.admin.fetchval("select count(*) from pg_stat_activity where query ilike 'listen%'"))

        await eventually(listens, "listening")
        await box.commit(("account", event(1)))
        await box.until_sent()
    assert await box.arrived() == [[1]]


async def test_the_sweep_finds_what_nobody_told_of(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_SWEEP_SECONDS", 0.1)
    async with running(box.relay()):
        await asyncio.sleep(0.2)
        await box.commit_silently(("account", event(1)))
        await box.until_sent()
    assert await box.arrived() == [[1]]


async def test_what_is_rolled_back_never_leaves(box: Outbox) -> None:
    async with running(box.relay()):
        with pytest.raises(ZeroDivisionError):
            await _append_and_fail(box)
        await box.commit(("account", event(2)))
        await box.until_sent()
    assert await box.arrived() == [[2]]


async def _append_and_fail(box: Outbox) -> None:
    async with transaction(box.pool) as tx:
        await outbox.append(tx, SCHEMA, pairs([1]))
        raise ZeroDivisionError


# What leaves


async def test_events_leave_in_full_envelopes_and_in_the_order_of_their_key(box: Outbox) -> None:
    for start in range(1, 251, 50):
        numbers = range(start, start + 50)
        await box.commit(*(pair for number in numbers for pair in pairs([number], key=f"account-{number % 3}")))
    async with running(box.relay()):
        await box.until_sent()
    messages = await box.messages()
    numbers_sent = [number for message in messages for number in numbers_in(message)]

    assert [len(numbers_in(message)) for message in messages] == [ENVELOPE_EVENTS, ENVELOPE_EVENTS, 50]
    for key in range(3):
        assert [number for number in numbers_sent if number % 3 == key] == [number for number in range(1, 251) if number % 3 == key]
    assert messages[0].delivery_mode == 2
    assert messages[0].type == messages[0].routing_key == "payment.completed.v1"


async def test_order_holds_while_committing_and_sending_at_once(box: Outbox) -> None:
    async def account(key: int) -> None:
        for version in range(40):
            await box.commit(*pairs([key * 1000 + version + 1], key=str(key)))

    async with running(box.relay()):
        await asyncio.gather(*(account(key) for key in range(4)))
        await box.until_sent()
    sent = [number for envelope in await box.arrived() for number in envelope]
    assert len(sent) == 160
    for key in range(4):
        assert [number for number in sent if number // 1000 == key] == [key * 1000 + version + 1 for version in range(40)]


async def test_large_payloads_share_an_envelope_only_up_to_its_bytes(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes_module, "ENVELOPE_BYTES", len(event(11).model_dump_json()) * 3 + 2)
    await box.commit(*pairs(range(11, 18)))
    async with running(box.relay()):
        await box.until_sent()
    assert await box.arrived() == [[11, 12, 13], [14, 15, 16], [17]]


async def test_messages_of_a_route_that_is_not_in_bulk_leave_one_by_one(box: Outbox) -> None:
    first, second = command(), command()
    await box.commit(("a", first), ("a", second))
    async with running(box.relay()):
        await box.until_sent()
    messages = await box.world.take(PAYMENTS_COMMANDS, 2)
    assert [type(first).model_validate_json(message.body) for message in messages] == [first, second]


async def test_a_type_that_only_a_newer_version_knows_waits_for_it_and_holds_nobody_up(box: Outbox) -> None:
    await box.admin.execute(
        "insert into wallet.outbox (lane, message_type, key, payload, correlation_id) "
        "select 0, 'payment.invented.v9', 'account', '{}', '' from generate_series(1, 600)"
    )
    await box.commit(*pairs([1, 2]))
    async with running(box.relay()):

        async def only_unknown_left() -> bool:
            return await box.unsent() == 600

        await eventually(only_unknown_left, "the others sent")
    assert await box.arrived() == [[1, 2]]


async def test_what_only_replicas_take_is_done_with_when_none_runs(box: Outbox) -> None:
    await box.commit(("account", balance(1)), ("account", event(1)))
    async with running(box.relay()):
        await box.until_sent()
    assert await box.arrived() == [[1]]
