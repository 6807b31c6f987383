"""The providers' settings: whole or not at all, no play money in production, and no live money beside play money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from services.gateway.config import GatewaySettings
from services.payments.adapters import real_adapters
from services.payments.config import PaymentsSettings

STRONG = "mB3v9QxT7kLw2ZrY8hNc5JfD1sGp6VuA"
GOOD: dict[str, Any] = {
    "_env_file": None,
    "amqp_url": "amqp://user:broker-password@localhost/",
    "database_url": "postgresql://role:database-password@localhost/purser",
    "secret_key": STRONG,
    "data_keys": STRONG[::-1],
}
PRODUCTION: dict[str, Any] = {**GOOD, "environment": "production", "public_url": "https://pay.example.org"}
STRIPE_TEST: dict[str, Any] = {"stripe_secret_key": "sk_test_4eC39HqLyjWD"}
STRIPE_LIVE: dict[str, Any] = {"stripe_secret_key": "sk_live_4eC39HqLyjWD"}
ALLSECURE: dict[str, Any] = {
    "allsecure_api_key": "connector-key",
    "allsecure_username": "api-user",
    "allsecure_password": "its-password",
    "allsecure_shared_secret": "its-secret",
}
PRODAMUS: dict[str, Any] = {"prodamus_page_url": "https://shop.payform.ru/", "prodamus_secret_key": "page-key", "prodamus_sys": "purser"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in PaymentsSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def refused(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        PaymentsSettings(**settings)
    return str(caught.value)


def test_unset_providers_are_those_with_credentials_then_the_mock_and_never_that_in_production() -> None:
    assert PaymentsSettings(**GOOD).enabled == ("mock",)
    assert PaymentsSettings(**GOOD, **STRIPE_TEST, **ALLSECURE).enabled == ("stripe", "allsecure", "mock")
    assert PaymentsSettings(**PRODUCTION).enabled == ()
    assert PaymentsSettings(**PRODUCTION, **STRIPE_LIVE, **PRODAMUS).enabled == ("stripe", "prodamus")


def test_a_provider_that_is_off_is_still_configured() -> None:
    settings = PaymentsSettings(**PRODUCTION, **STRIPE_LIVE, **PRODAMUS, providers="prodamus")
    assert settings.enabled == ("prodamus",)
    assert settings.with_credentials == ("stripe", "prodamus")


def test_production_needs_the_credentials_of_whom_it_names() -> None:
    assert "PROVIDERS names allsecure, whose credentials are not set" in refused(**PRODUCTION, **STRIPE_LIVE, providers="stripe,allsecure")


@pytest.mark.parametrize("missing", sorted(ALLSECURE))
def test_a_provider_is_configured_wholly_or_not_at_all(missing: str) -> None:
    told = refused(**GOOD, **{name: value for name, value in ALLSECURE.items() if name != missing})
    assert f"{missing.upper()} is not set, but the rest of it is" in told
    assert "its-secret" not in told


def test_prodamus_may_notify_an_address_of_its_cabinet_without_a_sys() -> None:
    without = {name: value for name, value in PRODAMUS.items() if name != "prodamus_sys"} | {"prodamus_demo": True}
    assert PaymentsSettings(**GOOD, **without).with_credentials == ("prodamus",)
    assert "PRODAMUS_SECRET_KEY is not set" in refused(**GOOD, prodamus_page_url="https://shop.payform.ru")


def test_what_is_left_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of `.env` to be filled in; what a container is given of a variable that its host has not."""
    for name in PaymentsSettings.model_fields:
        if name.startswith(("stripe_", "allsecure_", "prodamus_")):
            monkeypatch.setenv(name.upper(), "")
    settings = PaymentsSettings(**GOOD, providers="allsecure,stripe,prodamus")
    assert settings.with_credentials == ()
    assert dict(real_adapters(settings).providers) == {}
    assert settings.stripe_api_base == "https://api.stripe.com"


@pytest.mark.parametrize(
    ("names", "told"), [("stripe,stripe", "names stripe twice"), ("stripe,sk_live_4eC39", "is none of stripe, allsecure")]
)
def test_a_method_is_named_once_and_what_is_none_is_not_shown(names: str, told: str) -> None:
    services: tuple[type[BaseSettings], ...] = (PaymentsSettings, GatewaySettings)
    for settings in services:
        with pytest.raises(ValidationError, match=told) as caught:
            settings(**GOOD, jwt_secret=STRONG, providers=names)
        assert "4eC39" not in str(caught.value)


def test_a_shared_secret_that_can_be_guessed_is_refused_as_the_gateway_refuses_it() -> None:
    assert "allsecure_shared_secret" in refused(**GOOD, **(ALLSECURE | {"allsecure_shared_secret": "short"}))
    assert "prodamus_secret_key" in refused(**GOOD, **(PRODAMUS | {"prodamus_secret_key": "short"}))


def test_a_publishable_key_alone_is_no_account() -> None:
    assert "STRIPE_SECRET_KEY is not set, but STRIPE_PUBLISHABLE_KEY is" in refused(**GOOD, stripe_publishable_key="pk_test_1")


@pytest.mark.parametrize("key", ["pk_test_1", "whsec_1", "sk_1", "my-own-word", "sk_test_1 ", " sk_test_1", "sk_test_1\n"])
def test_a_key_that_is_no_secret_key_of_stripe_stops_the_start_and_is_not_shown(key: str) -> None:
    told = refused(**GOOD, stripe_secret_key=key)
    assert "stripe_secret_key" in told
    assert key not in told


@pytest.mark.parametrize("name", ["stripe_api_base", "allsecure_base_url", "prodamus_page_url", "public_url"])
@pytest.mark.parametrize(
    "url",
    [
        "https://x/?a=1", "https://x/#a", "https://user:hidden@x", "https://x:99999", "https://x:port", "https://[x", "https://a b.com",
        "https://x\n", "https://магазин.рф", "HTTPS://x",
    ],
)  # fmt: skip
def test_an_address_that_no_path_can_be_put_behind_stops_the_start_and_is_not_shown(name: str, url: str) -> None:
    told = refused(**GOOD, **{name: url})
    assert name in told.lower()
    assert url not in told
    assert "hidden" not in told


@pytest.mark.parametrize("name", ["stripe_api_base", "allsecure_base_url", "prodamus_page_url"])
@pytest.mark.parametrize("url", ["ftp://x", "http://asxgw.com", "https://", "https://x/?a=1"])
def test_an_address_is_https_or_an_emulators_on_this_machine(name: str, url: str) -> None:
    assert name in refused(**GOOD, **{name: url})
    others = PRODAMUS | {"prodamus_demo": True} if name == "prodamus_page_url" else {}
    assert getattr(PaymentsSettings(**GOOD, **(others | {name: "http://127.0.0.1:9/p/"})), name) == "http://127.0.0.1:9/p"


@pytest.mark.parametrize(
    ("play", "told"),
    [
        (STRIPE_LIVE | {"stripe_api_base": "http://127.0.0.1:9"}, "STRIPE_API_BASE leads to this machine"),
        (STRIPE_LIVE | {"stripe_api_base": "https://localhost:9"}, "STRIPE_API_BASE leads to this machine"),
        (STRIPE_LIVE | {"stripe_api_base": "https://stripe.example.org"}, "STRIPE_API_BASE is not https://api.stripe.com"),
        (ALLSECURE | {"allsecure_base_url": "http://localhost:9"}, "ALLSECURE_BASE_URL leads to this machine"),
        (PRODAMUS | {"prodamus_page_url": "http://localhost:9"}, "PRODAMUS_PAGE_URL leads to this machine"),
        (PRODAMUS | {"prodamus_demo": True}, "PRODAMUS_DEMO is on"),
    ],
)
def test_production_refuses_emulators_and_demos(play: dict[str, Any], told: str) -> None:
    assert told in refused(**PRODUCTION, **play)


@pytest.mark.parametrize(
    ("live", "named"),
    [
        (STRIPE_LIVE, "STRIPE_SECRET_KEY"),
        ({"stripe_secret_key": "rk_live_4eC39HqLyjWD"}, "STRIPE_SECRET_KEY"),
        (ALLSECURE | {"allsecure_base_url": "https://asxgw.com"}, "ALLSECURE_BASE_URL"),
        (PRODAMUS, "PRODAMUS_PAGE_URL"),
    ],
)
def test_live_money_is_refused_beside_mock_payments_and_mock_payouts(live: dict[str, Any], named: str) -> None:
    assert f"{named} is live, and mock payments are on beside it" in refused(**GOOD, **live)
    provider = named.split("_")[0].lower()
    assert f"{named} is live, and mock payouts are on beside it" in refused(**GOOD, **live, providers=provider)
    assert PaymentsSettings(**GOOD, **live, providers=provider, payout_method="manual").live == (named,)


@pytest.mark.parametrize(
    "test_only",
    [STRIPE_TEST, ALLSECURE, ALLSECURE | {"allsecure_base_url": "http://127.0.0.1:9"}, PRODAMUS | {"prodamus_demo": True}],
)
def test_test_money_lives_beside_the_mock(test_only: dict[str, Any]) -> None:
    assert PaymentsSettings(**GOOD, **test_only).live == ()


def test_an_emulator_in_a_providers_place_is_known_and_has_no_live_money_beside_it() -> None:
    here = "http://127.0.0.1:9"
    emulators = {**STRIPE_TEST, "stripe_api_base": here, **ALLSECURE, "allsecure_base_url": here, **PRODAMUS, "prodamus_page_url": here}
    assert PaymentsSettings(**GOOD, **emulators).played_here == ("STRIPE_API_BASE", "ALLSECURE_BASE_URL", "PRODAMUS_PAGE_URL")
    assert PaymentsSettings(**GOOD, **STRIPE_TEST, **ALLSECURE).played_here == ()
    assert PaymentsSettings(**GOOD, stripe_api_base=here, allsecure_base_url=here).played_here == (), "addresses without an account"
    beside = {**STRIPE_LIVE, **ALLSECURE, "allsecure_base_url": here, "providers": "stripe,allsecure", "payout_method": "manual"}
    assert "STRIPE_SECRET_KEY is live, and ALLSECURE_BASE_URL leads to an emulator beside it" in refused(**GOOD, **beside)


def test_keys_of_two_modes_are_no_account() -> None:
    told = refused(**GOOD, **STRIPE_TEST, stripe_publishable_key="pk_live_4eC39HqLyjWD")
    assert "STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY are of different modes" in told
    assert "4eC39" not in told
    assert "different modes" in refused(**PRODUCTION, **STRIPE_LIVE, stripe_publishable_key="pk_test_4eC39HqLyjWD")
    assert PaymentsSettings(**GOOD, **STRIPE_TEST, stripe_publishable_key="pk_test_4eC39HqLyjWD").live == ()


def test_in_production_a_provider_that_only_plays_is_known_and_taken() -> None:
    """A first deployment is tried with test credentials; payments warns of it in its log."""
    assert PaymentsSettings(**PRODUCTION, **STRIPE_TEST, **ALLSECURE).of_test_mode == ("STRIPE_SECRET_KEY", "ALLSECURE_BASE_URL")
    live = {**STRIPE_LIVE, **ALLSECURE, "allsecure_base_url": "https://asxgw.com"}
    assert PaymentsSettings(**PRODUCTION, **live).of_test_mode == ()
    assert PaymentsSettings(**PRODUCTION).of_test_mode == (), "the sandbox's address is a default, and no account"
