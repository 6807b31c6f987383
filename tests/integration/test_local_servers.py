"""The throwaway servers: a new database and vhost for each test, and none left after."""

import aio_pika
import asyncpg

from deploy.local.postgres import PostgresServer


async def test_each_test_has_an_empty_database_that_is_dropped_after(fresh_database_url: str, postgres_server: PostgresServer) -> None:
    connection = await asyncpg.connect(fresh_database_url)
    try:
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
        assert await connection.fetchval("select current_setting('fsync')") == "off"
        assert fresh_database_url != postgres_server.admin_url
    finally:
        await connection.close()


async def test_each_test_has_an_empty_vhost(amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("first", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), routing_key="first")
        message = await queue.get(timeout=5)
        assert message is not None
        assert message.body == b"hello"
        await message.ack()
