"""What arrives at payments: commands and questions by FastStream, a module a subject; raw provider events in bulk."""

from __future__ import annotations

from collections.abc import Callable

from faststream.rabbit import RabbitBroker
from faststream.rabbit.subscriber import RabbitSubscriber

from services.payments.handlers.settlement import Settlement
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import PAYMENTS_PROVIDER_EVENTS, Queue
from shared.delivery.broker import BrokerLink
from shared.delivery.consumer import BatchConsumer
from shared.delivery.publisher import Publisher
from shared.delivery.server import serve

Register = Callable[[RabbitSubscriber], None]
"""Adds the consumers of one subject to a queue's subscriber."""


def subscribe(broker: RabbitBroker, queue: Queue, publisher: Publisher, *subjects: Register) -> None:
    """Each message of `queue` goes to the one consumer that takes its type, whichever subject's it is."""
    router, subscriber = serve(queue, publisher)
    for register in subjects:
        register(subscriber)
    broker.include_router(router)


def provider_events(link: BrokerLink, publisher: Publisher, settlement: Settlement) -> BatchConsumer[ProviderEventReceived]:
    return BatchConsumer(link, PAYMENTS_PROVIDER_EVENTS, settlement, publisher)
