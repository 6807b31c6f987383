"""What our Stripe client makes of a stand-in that we did not write: localstripe 1.15 (GPL-3.0; a process of its own, never imported).

To run it: `python -m venv ~/localstripe && ~/localstripe/bin/pip install localstripe==1.15.10`, then
`PATH=~/localstripe/bin:$PATH .venv/bin/pytest -m localstripe`. It refuses what we send when a payment is opened or ended
(automatic_payment_methods, description, cancellation_reason), tells no amount_received, knows no idempotency keys and sends no webhooks of
refunds: only what is left is compared.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import stripe
from pydantic import BaseModel

from services.gateway.signatures import stripe as signatures
from services.payments.domain.facts import Look
from services.payments.providers.base import NoSuchRefund, RefundAccepted
from services.payments.providers.stripe.client import NotServed, SaidNo, StripeApi
from services.payments.providers.stripe.refunds import StripeRefunds
from shared.contracts.base import new_id
from shared.money import Money
from tests.contract.providers.receiver import Receiver
from tests.contract.stripe_world import order
from tests.emulators.server import EmulatorServer
from tests.unit.stripe_doubles import a_payment, a_provider

COMMAND = shutil.which("localstripe")
SECRET = "whsec_second_opinion"

pytestmark = [
    pytest.mark.localstripe,
    pytest.mark.skipif(COMMAND is None, reason="the command localstripe is not on PATH; the module's docstring says how to get it"),
]


class Intent(BaseModel):
    """As far as it shows one."""

    id: str
    status: str
    amount: int
    currency: str
    metadata: dict[str, str]


@dataclass
class Opinion:
    url: str
    api: StripeApi
    receiver: Receiver

    async def opened(self, session_id: UUID, method: str = "pm_card_visa", **changes: Any) -> Intent:
        """Paid at once, which is all that it can do without a browser."""
        params: Any = {
            "amount": 5_000,
            "currency": "eur",
            "payment_method": method,
            "confirm": True,
            "metadata": {"purser_session_id": str(session_id)},
        }
        return await self.api.call("create", Intent, partial(self.api.v1.payment_intents.create_async, params | changes))


@pytest.fixture(scope="module")
async def opinion() -> AsyncIterator[Opinion]:
    assert COMMAND is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    receiver = Receiver()
    async with EmulatorServer(receiver):
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            "--from-scratch",
            "--port",
            str(port),
            # None of ours: proxies, keys. Its state it writes to /tmp/localstripe.pickle, and reads it there unless it begins from scratch.
            env={"PATH": str(Path(COMMAND).parent)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        api = StripeApi("sk_test_second_opinion", url)
        try:
            await told_where_webhooks_go(url, receiver)
            yield Opinion(url, api, receiver)
        finally:
            await api.close()
            process.terminate()
            await process.wait()


async def told_where_webhooks_go(url: str, receiver: Receiver) -> None:
    """As soon as it answers."""
    receiver.checks["stripe"] = lambda received, now: signatures.verify(received, (SECRET,), now)
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(20):
        while True:
            try:
                answer = await http.post(f"{url}/_config/webhooks/ours", json={"url": receiver.url("stripe"), "secret": SECRET})
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            answer.raise_for_status()
            return


async def test_what_is_opened_and_paid_is_read_and_can_be_asked_for(opinion: Opinion) -> None:
    session_id = new_id()
    made = await opinion.opened(session_id)
    found = await opinion.api.call("find", Intent, partial(opinion.api.v1.payment_intents.retrieve_async, made.id))
    assert found == made
    assert (found.status, found.amount, found.currency) == ("succeeded", 5_000, "eur")
    assert found.metadata == {"purser_session_id": str(session_id)}


async def test_a_declined_card_is_an_explicit_no(opinion: Opinion) -> None:
    with pytest.raises(SaidNo, match="card_declined"):
        await opinion.opened(new_id(), "pm_card_chargeCustomerFail")


async def test_a_parameter_that_it_does_not_know_is_an_explicit_no(opinion: Opinion) -> None:
    with pytest.raises(SaidNo):
        await opinion.opened(new_id(), description="A top-up")


async def test_a_key_that_is_none_is_not_served(opinion: Opinion) -> None:
    api = StripeApi("rk_test_not_known_there", opinion.url)
    with pytest.raises(NotServed):
        await api.call("find", Intent, partial(api.v1.payment_intents.retrieve_async, "pi_1"))
    await api.close()


async def test_refunds_in_parts_are_made_and_found_by_what_we_wrote_into_them(opinion: Opinion) -> None:
    payment = a_payment(session_id=new_id())
    made = await opinion.opened(payment.session_id or new_id())
    refunds = StripeRefunds(opinion.api)
    one, two = (order(payment, Money(minor, "eur"), charge_reference=made.id) for minor in (2_000, 3_000))
    first, second = await refunds.refund(one), await refunds.refund(two)
    assert isinstance(first, RefundAccepted)
    assert isinstance(second, RefundAccepted)
    assert first.settled
    assert first.provider_reference != second.provider_reference
    assert [await refunds.find_refund(one), await refunds.find_refund(two)] == [first, second]
    assert await refunds.find_refund(order(payment, charge_reference=made.id)) == NoSuchRefund()


async def test_its_signature_is_stripes_and_its_old_version_makes_us_ask(opinion: Opinion) -> None:
    session_id = new_id()
    await opinion.opened(session_id)
    async with asyncio.timeout(10):
        while not (messages := [one for one in opinion.receiver.inbox.messages if str(session_id).encode() in one.body]):
            await asyncio.sleep(0.05)
    stripe.WebhookSignature.verify_header(messages[0].body, messages[0].headers["stripe-signature"], SECRET, 300)
    async with a_provider({}) as (provider, _):
        assert provider.read_event(messages[0].headers, messages[0].body).fact == Look(session_id)
