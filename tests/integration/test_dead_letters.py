"""Dead letters are counted at the broker and stay where they are."""

from __future__ import annotations

import aio_pika

from shared.contracts.topology import DEAD_LETTERS, PAYMENTS_COMMANDS, WALLET_COMMANDS
from shared.delivery.dead_letters import count_dead_letters
from tests.integration.delivery_world import delivery_world, eventually


async def test_dead_letters_of_all_queues_are_counted_and_left_alone(amqp_url: str) -> None:
    async with delivery_world(amqp_url) as world:
        assert await count_dead_letters(world.link) == 0
        exchange = await world.channel.get_exchange(DEAD_LETTERS.name, ensure=False)
        for queue in (PAYMENTS_COMMANDS, PAYMENTS_COMMANDS, WALLET_COMMANDS):
            await exchange.publish(aio_pika.Message(b"{}", delivery_mode=2), queue.name)

        async def three() -> bool:
            return await count_dead_letters(world.link) == 3

        await eventually(three, "three dead letters")
        assert await count_dead_letters(world.link) == 3


async def test_with_the_broker_gone_nobody_knows(amqp_url: str) -> None:
    async with delivery_world(amqp_url) as world:
        await world.proxy.cut()
        await eventually(lambda: world.losses > 0, "the loss is noticed")
        assert await count_dead_letters(world.link) is None
