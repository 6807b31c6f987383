"""A snapshot after an outage is only asked for when every queue of the replica is there again: else what it lacks could be missed twice."""

from __future__ import annotations

from typing import Any, cast

import pytest

from services.notifier.consumers import Subscriptions
from shared.delivery.consumer import BatchConsumer


class FakeConsumer:
    """Subscribed or not, as told."""

    is_subscribed = False

    async def resubscribed(self, timeout_seconds: float) -> None:
        if not self.is_subscribed:
            raise TimeoutError


class Refreshes:
    count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def refreshes() -> Refreshes:
    return Refreshes()


@pytest.fixture
def balances() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def payments() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
def subscriptions(refreshes: Refreshes, balances: FakeConsumer, payments: FakeConsumer) -> Subscriptions:
    both = Subscriptions(refreshes)
    both.add(cast("BatchConsumer[Any]", balances))
    both.add(cast("BatchConsumer[Any]", payments))
    return both


def arrives(consumer: FakeConsumer, subscriptions: Subscriptions) -> None:
    consumer.is_subscribed = True
    subscriptions.on_subscribed()


def test_the_last_to_come_back_brings_the_snapshot_and_only_one(
    subscriptions: Subscriptions, refreshes: Refreshes, balances: FakeConsumer, payments: FakeConsumer
) -> None:
    arrives(payments, subscriptions)
    assert refreshes.count == 0
    arrives(balances, subscriptions)
    assert refreshes.count == 1


@pytest.mark.parametrize("lost", ["balances", "payments"])
def test_one_lost_alone_brings_a_snapshot_too(
    subscriptions: Subscriptions, refreshes: Refreshes, request: pytest.FixtureRequest, lost: str
) -> None:
    for name in ("balances", "payments"):
        arrives(request.getfixturevalue(name), subscriptions)
    request.getfixturevalue(lost).is_subscribed = False
    arrives(request.getfixturevalue(lost), subscriptions)
    assert refreshes.count == 2


async def test_who_lacks_one_is_not_subscribed(subscriptions: Subscriptions, balances: FakeConsumer, payments: FakeConsumer) -> None:
    balances.is_subscribed = True
    with pytest.raises(TimeoutError):
        await subscriptions.resubscribed(1)
    payments.is_subscribed = True
    await subscriptions.resubscribed(1)
