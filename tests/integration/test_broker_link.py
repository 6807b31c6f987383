"""The link to the broker: bounded when it is not there, told when it goes, back by itself when it returns."""

from __future__ import annotations

import asyncio
import time

import aio_pika
import pytest

from shared.delivery.broker import BrokerLink
from shared.delivery.errors import BrokerUnavailable
from tests.integration.delivery_world import LONG_SECONDS, eventually
from tests.integration.delivery_world import sooner_noticed as sooner_noticed
from tests.tcp_proxy import TcpProxy, tcp_proxy


class Told:
    """What a link told whoever hangs on it."""

    def __init__(self, link: BrokerLink) -> None:
        self.lost = 0
        self.restored = 0
        link.on_lost(self.on_lost)
        link.on_restored(self.on_restored)

    def on_lost(self) -> None:
        self.lost += 1

    async def on_restored(self) -> None:
        self.restored += 1


async def test_it_connects_under_its_name_and_is_not_told_of_the_first_connection(amqp_url: str) -> None:
    link = BrokerLink(amqp_url, name="wallet one")
    told = Told(link)
    with pytest.raises(BrokerUnavailable):
        await link.check()

    await link.start(LONG_SECONDS)
    try:
        await link.check()
        connection = await link.connection(1)
        assert await (await connection.channel()).declare_queue(exclusive=True)
        assert (told.lost, told.restored) == (0, 0)
    finally:
        await link.close()
    assert not link.is_up
    assert connection.is_closed


async def test_a_broker_that_is_not_there_is_a_bounded_wait(amqp_url: str) -> None:
    async with tcp_proxy(amqp_url) as (proxy, url):
        await proxy.cut()
        link = BrokerLink(url, name="early")
        begun = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await link.start(timeout_seconds=0.3)
        assert time.monotonic() - begun < 5

        # It went on trying meanwhile: a broker that starts later than we do is met.
        proxy.restore()
        await link.connection(LONG_SECONDS)
        await link.close()


async def test_after_a_cut_it_tells_at_once_and_comes_back_by_itself(amqp_url: str) -> None:
    async with tcp_proxy(amqp_url) as (proxy, url):
        link = BrokerLink(url, name="cut")
        told = Told(link)
        await link.start(LONG_SECONDS)
        before = await link.connection(1)

        await proxy.cut()
        await eventually(lambda: told.lost == 1, "the loss is told", 10)
        assert not link.is_up
        begun = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await link.connection(0.1)
        assert time.monotonic() - begun < 2
        with pytest.raises(BrokerUnavailable):
            await link.check()

        proxy.restore()
        await eventually(lambda: told.restored == 1, "the return is told")
        assert await link.connection(1) is not before
        assert told.lost == 1
        await link.close()


async def test_it_comes_back_every_time(amqp_url: str) -> None:
    async with tcp_proxy(amqp_url) as (proxy, url):
        link = BrokerLink(url, name="again")
        told = Told(link)
        await link.start(LONG_SECONDS)
        for turn in (1, 2, 3):
            await proxy.drop()
            await eventually(lambda turn=turn: told.restored == turn, f"return {turn}")
        assert told.lost == 3
        await link.close()


@pytest.mark.parametrize("limit_bytes", [1, 4, 100, 480, 510])
async def test_a_line_that_breaks_in_the_middle_of_the_handshake_is_tried_again(limit_bytes: int, amqp_url: str) -> None:
    async with tcp_proxy(amqp_url) as (proxy, url):
        proxy.cut_after(limit_bytes)
        link = BrokerLink(url, name="broken handshakes")
        with pytest.raises(BrokerUnavailable):
            await link.start(timeout_seconds=0.5)
        assert proxy.accepted > 0

        proxy.restore()
        await link.connection(LONG_SECONDS)
        await link.close()


async def test_who_listens_badly_does_not_keep_the_link_down(amqp_url: str) -> None:
    def lost() -> None:
        raise ValueError("a listener's own bug")

    async def restored() -> None:
        raise ValueError("another one")

    async with tcp_proxy(amqp_url) as (proxy, url):
        link = BrokerLink(url, name="bad listeners")
        link.on_lost(lost)
        link.on_restored(restored)
        told = Told(link)
        await link.start(LONG_SECONDS)
        try:
            await proxy.drop()
            await eventually(lambda: (told.lost, told.restored) == (1, 1), "the others are told")
            assert link.is_up
        finally:
            await link.close()


async def test_a_hung_broker_is_noticed_by_the_heartbeat(sooner_noticed: None, amqp_url: str) -> None:
    """Three heartbeats and three seconds (aiormq's grace): 18 s with the default of 5 s, 183 s with the library's of 60."""
    async with tcp_proxy(amqp_url) as (proxy, url):
        link = BrokerLink(url, name="hung", heartbeat_seconds=1)
        told = Told(link)
        await link.start(LONG_SECONDS)
        proxy.hang()
        await eventually(lambda: told.lost >= 1, "the hang is noticed", 20)
        proxy.restore()
        await eventually(lambda: told.restored >= 1, "the return is told")
        await link.close()


@pytest.mark.parametrize("state", ["up", "hung", "gone", "never there"])
async def test_closing_is_quick_in_every_state(state: str, amqp_url: str) -> None:
    async with tcp_proxy(amqp_url) as (proxy, url):
        link = BrokerLink(url, name="closing")
        await _bring_to(state, link, proxy)

        begun = time.monotonic()
        await link.close()
        assert time.monotonic() - begun < 8
        assert not link.is_up
        with pytest.raises(BrokerUnavailable):
            await link.connection(0.1)
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "broker-link closing"]


async def _bring_to(state: str, link: BrokerLink, proxy: TcpProxy) -> None:
    if state == "never there":
        await proxy.cut()
        with pytest.raises(BrokerUnavailable):
            await link.start(0.2)
        return
    await link.start(LONG_SECONDS)
    if state == "hung":
        proxy.hang()
    elif state == "gone":
        await proxy.cut()
        await eventually(lambda: not link.is_up, "down", 10)


async def test_a_wrong_password_is_tried_again_since_a_broker_that_starts_may_not_know_us_yet(amqp_url: str) -> None:
    user = amqp_url.split("://")[1].split("@")[0]
    link = BrokerLink(amqp_url.replace(user, "purser:wrong"), name="stranger")
    with pytest.raises(BrokerUnavailable):
        await link.start(timeout_seconds=0.5)
    await link.close()
    assert await aio_pika.connect(amqp_url)
