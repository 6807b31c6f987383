"""The adapters and checks of real providers, made from settings as the services make them."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.checks import build_checks
from services.gateway.config import GatewaySettings
from services.gateway.ingress import Check
from services.payments.adapters import Adapters, real_adapters
from services.payments.config import PaymentsSettings
from shared.keys import Keys
from tests.contract.providers.receiver import Receiver
from tests.integration.payments_world import DATA_KEY, SECRET

_COMMON: Final[dict[str, Any]] = {
    "_env_file": None,
    "amqp_url": "amqp://nobody:nothing@127.0.0.1/",
    "secret_key": SECRET,
}


def adapters_for(receiver: Receiver, **settings: Any) -> Adapters:
    """As payments makes them, with webhooks to `receiver`."""
    return real_adapters(
        PaymentsSettings(
            **_COMMON,
            database_url="postgresql://nobody:nothing@127.0.0.1/none",
            data_keys=DATA_KEY,
            public_url=receiver.base_url,
            **settings,
        )
    )


def check_for(provider: str, receiver: Receiver, **settings: Any) -> Check:
    """As the gateway makes it."""
    made = GatewaySettings(**_COMMON, public_url=receiver.base_url, jwt_secret=SECRET, **settings)
    return build_checks(made, Keys((SECRET,)))[provider]
