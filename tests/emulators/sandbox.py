"""The emulators as a merchant's own settings describe them: with the credentials of the environment, else those of tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from tests.emulators.allsecure import CARDS, OLD_CARDS, AllSecureEmulator
from tests.emulators.prodamus import DEFAULT_PAGE, OTHER_PAGE, ProdamusEmulator
from tests.emulators.prodamus.book import FIRST_ORDER
from tests.emulators.server import Emulator
from tests.emulators.stripe import StripeEmulator
from tests.emulators.stripe.authorization import ApiKeys
from tests.emulators.stripe.emulator import TEST_WEBHOOK_SECRET

_HOUR: Final = 3_600.0

Make = Callable[[Mapping[str, str], str | None, int | None, float], Emulator]


class LiveKeyError(ValueError):
    """A stand-in is given a key that moves real money."""


def stripe(environment: Mapping[str, str], webhooks_to: str | None, seed: int | None, time_scale: float) -> Emulator:
    """Slow payments end after an hour, scaled. LiveKeyError."""
    of_tests = ApiKeys()
    secret = environment.get("STRIPE_SECRET_KEY") or of_tests.secret
    if "_live_" in secret:
        raise LiveKeyError("STRIPE_SECRET_KEY is a live key, and a stand-in takes those of test mode")
    return StripeEmulator(
        keys=ApiKeys(secret, environment.get("STRIPE_PUBLISHABLE_KEY") or of_tests.publishable),
        webhooks_to=webhooks_to,
        webhook_secret=_first(environment, "STRIPE_WEBHOOK_SECRET") or TEST_WEBHOOK_SECRET,
        seed=seed or 0,
        time_scale=time_scale,
        settle_seconds=_HOUR,
    )


def allsecure(environment: Mapping[str, str], webhooks_to: str | None, seed: int | None, time_scale: float) -> Emulator:
    cards = replace(
        CARDS,
        api_key=environment.get("ALLSECURE_API_KEY") or CARDS.api_key,
        username=environment.get("ALLSECURE_USERNAME") or CARDS.username,
        password=environment.get("ALLSECURE_PASSWORD") or CARDS.password,
        shared_secret=environment.get("ALLSECURE_SHARED_SECRET") or CARDS.shared_secret,
    )
    return AllSecureEmulator(connectors=(cards, OLD_CARDS), webhooks_to=webhooks_to, seed=seed, time_scale=time_scale)


def prodamus(environment: Mapping[str, str], webhooks_to: str | None, seed: int | None, time_scale: float) -> Emulator:
    """The merchant's page is `shop`. Without a seed, its orders' numbers are higher than those of an earlier run: the
    merchant's database, which outlives it, must not meet one of them twice."""
    shop = replace(DEFAULT_PAGE, key=_first(environment, "PRODAMUS_SECRET_KEY") or DEFAULT_PAGE.key)
    first_order = FIRST_ORDER if seed is not None else int(time.time() * 10)
    return ProdamusEmulator(
        pages=(shop, OTHER_PAGE), webhooks_to=webhooks_to, seed=seed or 0, first_order=first_order, time_scale=time_scale
    )


EMULATORS: Final[Mapping[str, Make]] = {"stripe": stripe, "allsecure": allsecure, "prodamus": prodamus}


def _first(environment: Mapping[str, str], name: str) -> str:
    """Of a setting that may name several while one is being rolled."""
    return environment.get(name, "").partition(",")[0].strip()
