"""What is told of a login, and what becomes of it while nothing can leave: bounded, counted, never in the login's way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.gateway.directory import Directory
from services.gateway.login_limit import FailureLimit
from services.gateway.logins import LoginRecords, network_of
from services.gateway.problems import Problem
from shared.contracts.audit import LoginRecorded
from shared.delivery.envelopes import Unpacker
from shared.delivery.errors import BrokerUnavailable
from shared.keys import Keys

HERE = ("203.0.113.77", 4711)
KEYS = Keys(("a secret of the test, long enough 0123456789",))


class Broker:
    """A publisher that can be down; keeps what it was given."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.told: list[LoginRecorded] = []
        self.envelopes: list[int] = []
        self.asked = asyncio.Event()

    async def publish_bytes(self, body: bytes, **_: Any) -> None:
        self.asked.set()
        if not self.up:
            raise BrokerUnavailable("down")
        events, unreadable = Unpacker(LoginRecorded).unpack(body)
        assert not unreadable
        self.told += events
        self.envelopes.append(len(events))


def records(broker: Broker, **bounds: int) -> LoginRecords:
    return LoginRecords(broker, KEYS, **bounds)  # type: ignore[arg-type]


def dropped() -> float:
    return REGISTRY.get_sample_value("purser_logins_not_recorded_total") or 0.0


async def told_of(*logins: tuple[str, str]) -> list[LoginRecorded]:
    """What is told when somebody tries these names and passwords."""
    broker = Broker()
    recording = records(broker)
    directory = Directory(FailureLimit(3), FailureLimit(100))
    for name, password in logins:
        try:
            await recording.authenticated(directory, name, password, HERE, "request-1")
        except Problem:
            continue
    await recording.start()
    await recording.stop()
    return broker.told


async def test_a_login_is_told_with_its_user_and_the_network_only() -> None:
    (login,) = await told_of(("Test@User.rs ", "testuser"))
    assert (login.method, login.outcome, login.user_id, login.login_hash) == ("password", "succeeded", "1", None)
    assert (login.network, login.correlation_id) == ("203.0.113.0/24", "request-1")


async def test_a_failed_one_names_the_user_if_there_is_one_and_else_only_a_keyed_hash() -> None:
    known, unknown, same, other = await told_of(("admin", "guess"), ("me@private.example", "x"), (" ME@private.example", "y"), ("you", "x"))
    assert (known.outcome, known.user_id, known.login_hash) == ("failed", "9", None)
    assert unknown.user_id is None
    assert unknown.login_hash == same.login_hash
    assert unknown.login_hash != other.login_hash
    for login in (known, unknown):
        assert "private" not in login.model_dump_json()
        assert "203.0.113.77" not in login.model_dump_json()


async def test_what_was_refused_unchecked_is_not_told() -> None:
    told = await told_of(*[("admin", "guess")] * 5, ("admin", "admin"))
    assert [login.outcome for login in told] == ["failed"] * 3, "the fourth and on were too many"


async def test_tokens_are_told_and_a_flood_of_bad_ones_is_cut_off() -> None:
    broker = Broker()
    recording = records(broker)
    before = dropped()
    recording.token_accepted("77", HERE, "request-2")
    for _ in range(100):
        recording.token_refused(HERE, "request-3")
    await recording.start()
    await recording.stop()

    assert (broker.told[0].method, broker.told[0].outcome, broker.told[0].user_id) == ("token", "succeeded", "77")
    refused = broker.told[1:]
    assert {(login.outcome, login.user_id, login.login_hash) for login in refused} == {("failed", None, None)}
    assert len(refused) == 60
    assert dropped() == before + 40


async def test_while_the_broker_is_down_the_newest_wait_and_the_rest_is_counted() -> None:
    broker = Broker(up=False)
    recording = records(broker, waiting_max=3)
    before = dropped()
    await recording.start()
    for n in range(5):
        recording.token_accepted(str(n), HERE, "request-2")
    await broker.asked.wait()
    broker.up = True
    await recording.stop()

    assert [login.user_id for login in broker.told] == ["2", "3", "4"]
    assert dropped() == before + 2


async def test_what_cannot_leave_until_the_end_is_counted_and_the_end_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.logins._STOP_SECONDS", 0.05)
    broker = Broker(up=False)
    recording = records(broker)
    before = dropped()
    await recording.start()
    recording.token_accepted("1", HERE, "request-2")
    async with asyncio.timeout(1):
        await recording.stop()
    assert dropped() == before + 1


async def test_many_travel_together() -> None:
    broker = Broker()
    recording = records(broker)
    for n in range(250):
        recording.token_accepted(str(n), HERE, "request-2")
    await recording.start()
    await recording.stop()
    assert broker.envelopes == [100, 100, 50]
    assert [login.user_id for login in broker.told] == [str(n) for n in range(250)]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.9", "198.51.100.0/24"),
        ("::ffff:198.51.100.9", "198.51.100.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%a-card", "fe80::/48"),
        ("::1", "::/48"),
        ("unix", None),
        ("", None),
        ("1" * 100, None),
    ],
)
def test_an_address_is_told_as_its_network(address: str, network: str | None) -> None:
    assert network_of((address, 1)) == network


def test_no_client_has_no_network() -> None:
    assert network_of(None) is None
