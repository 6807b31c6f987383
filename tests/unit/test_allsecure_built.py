"""AllSecure is there for payments, refunds and payouts as soon as its connector is configured, and ends its connections."""

from __future__ import annotations

from typing import Any

from services.payments.adapters import real_adapters
from services.payments.config import PaymentsSettings
from services.payments.domain.capabilities import Capabilities
from services.payments.providers.allsecure.adapter import QUESTIONS_PER_MINUTE
from services.payments.providers.base import Payouts, Provider, Refunds

CONNECTOR: dict[str, Any] = {
    "allsecure_api_key": "key",
    "allsecure_username": "user",
    "allsecure_password": "password",
    "allsecure_shared_secret": "shared-secret",
}
LEAST: dict[str, Any] = {
    "_env_file": None,
    "amqp_url": "amqp://user:broker-password@localhost/",
    "database_url": "postgresql://role:database-password@localhost/purser",
    "secret_key": "mB3v9QxT7kLw2ZrY8hNc5JfD1sGp6VuA",
    "data_keys": "AuV6pGs1DfJ5cNh8YrZ2wLk7TxQ9v3Bm",
}


async def test_what_is_built_of_a_connector() -> None:
    adapters = real_adapters(PaymentsSettings(**LEAST, **CONNECTOR, payout_method="allsecure"))
    try:
        provider: Provider = adapters.providers["allsecure"]
        refunds: Refunds = adapters.refunds["allsecure"]
        payouts: Payouts = adapters.payouts["allsecure"]
        assert provider.name == payouts.name == "allsecure"
        assert provider.capabilities == Capabilities(refund=True, status=True, cancel=False, payout=True, dispute=True)
        assert provider.questions_per_minute == QUESTIONS_PER_MINUTE == 40, "of 60"
        assert adapters.refunds == {"allsecure": refunds}
        assert adapters.statements == {}, "it lists nothing"
    finally:
        await adapters.close()


async def test_it_may_be_asked_as_often_as_was_agreed() -> None:
    adapters = real_adapters(PaymentsSettings(**LEAST, **CONNECTOR, allsecure_questions_per_minute=600))
    try:
        assert adapters.providers["allsecure"].questions_per_minute == 600
    finally:
        await adapters.close()


async def test_without_one_it_is_not_there() -> None:
    adapters = real_adapters(PaymentsSettings(**LEAST))
    assert (adapters.providers, adapters.refunds, adapters.payouts) == ({}, {}, {})
