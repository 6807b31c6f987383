"""The checks of the providers' events, made from the settings: one for each provider that has its secret here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from services.gateway.config import GatewaySettings
from services.gateway.edge import WEBHOOKS_PATH
from services.gateway.ingress import Check
from services.gateway.signatures import allsecure, mock, prodamus, stripe
from shared.keys import Keys

_ALLSECURE: Final = "allsecure"


def build_checks(settings: GatewaySettings, keys: Keys) -> Mapping[str, Check]:
    """By provider; one that is off for new payments too, since what it began is still told."""
    checks: dict[str, Check] = {}
    if secrets := settings.stripe_webhook_secret:
        checks["stripe"] = lambda received, now: stripe.verify(received, secrets, now)
    if settings.allsecure_shared_secret is not None:
        # As AllSecure calls it: what stands before the gateway may have taken a prefix off.
        path = urlsplit(settings.public_url).path + WEBHOOKS_PATH + _ALLSECURE
        connector = allsecure.Connector(settings.allsecure_shared_secret.get_secret_value(), path, settings.allsecure_accept_md5)
        checks[_ALLSECURE] = lambda received, _: allsecure.verify(received, connector)
    if settings.prodamus_secret_key:
        page_keys = settings.prodamus_secret_key
        accepted_keys = prodamus.demo_keys(page_keys) if settings.prodamus_demo else page_keys
        checks["prodamus"] = lambda received, _: prodamus.verify(received, accepted_keys)
    if settings.mock_provider:
        accepted = keys.verifying(mock.LABEL)
        checks["mock"] = lambda received, now: mock.verify(received, accepted, now)
    return checks
