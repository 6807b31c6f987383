"""Whoever is in the table of providers is wherever a provider has to be, and docs/providers.md says where that is and what each can do."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local import stand_ins
from services.gateway.checks import build_checks
from services.gateway.config import GatewaySettings
from services.payments.adapters import Adapters, real_adapters
from services.payments.config import PAYOUT_METHODS, PaymentsSettings
from services.payments.domain.capabilities import Capabilities
from services.payments.providers.mock.adapter import MockProvider
from shared.keys import Keys
from shared.methods import METHODS, PROVIDERS
from tests.contract.providers.conftest import STAGES
from tests.emulators.sandbox import EMULATORS
from tests.signature_subjects import SUBJECTS

ROOT: Final = Path(__file__).resolve().parents[2]
GUIDE: Final = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
SECRET: Final = "0123456789abcdef0123456789abcdef"

# What a merchant sets for each.
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "stripe": {
        "stripe_secret_key": "sk_test_registered",
        "stripe_publishable_key": "pk_test_registered",
        "stripe_webhook_secret": "whsec_registered_provider",
    },
    "allsecure": {
        "allsecure_api_key": "the connector's key",
        "allsecure_username": "user",
        "allsecure_password": "the user's password",
        "allsecure_shared_secret": "the connector's secret",
    },
    "prodamus": {"prodamus_page_url": "http://127.0.0.1/p/shop", "prodamus_secret_key": "the page's key"},
}
COMMON: Final[dict[str, Any]] = {"_env_file": None, "amqp_url": "amqp://nobody:nothing@127.0.0.1/", "secret_key": SECRET}


def payments_settings(**told: Any) -> PaymentsSettings:
    return PaymentsSettings(**COMMON, database_url="postgresql://nobody:nothing@127.0.0.1/none", data_keys=SECRET, **told)


def gateway_settings(**told: Any) -> GatewaySettings:
    return GatewaySettings(**COMMON, jwt_secret=SECRET, **told)


def adapters_of(name: str) -> Adapters:
    return real_adapters(payments_settings(**SETTINGS[name]))


def capabilities_of(name: str) -> Capabilities:
    return MockProvider.capabilities if name == "mock" else adapters_of(name).providers[name].capabilities


def table(marker: str) -> list[list[str]]:
    """The cells of the guide's table between the marks, without its head."""
    text = GUIDE.split(f"<!-- {marker} -->")[1].split(f"<!-- /{marker} -->")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.strip().splitlines()[2:]]


def test_the_tests_know_every_provider_of_the_table() -> None:
    assert set(SETTINGS) == set(PROVIDERS)


@pytest.mark.parametrize("name", PROVIDERS)
def test_with_its_settings_and_no_others_both_services_have_it(name: str) -> None:
    assert payments_settings(**SETTINGS[name]).with_credentials == (name,)
    gateway = gateway_settings(**SETTINGS[name])
    assert gateway.with_credentials == (name,)
    assert set(build_checks(gateway, Keys((SECRET,)))) == {name, "mock"}


@pytest.mark.parametrize("name", PROVIDERS)
async def test_its_adapters_are_what_it_says_that_it_can_do(name: str) -> None:
    adapters = adapters_of(name)
    try:
        provider = adapters.providers[name]
        assert provider.name == name
        assert (name in adapters.refunds) is provider.capabilities.refund
        assert (name in adapters.payouts) is provider.capabilities.payout
        assert (name in PAYOUT_METHODS) is provider.capabilities.payout
        assert provider.currencies
    finally:
        await adapters.close()


def test_each_is_in_the_contract_suite_has_its_webhooks_mutated_and_can_be_tried_without_credentials() -> None:
    assert set(STAGES) >= set(METHODS)
    assert set(SUBJECTS) >= set(METHODS)
    assert set(EMULATORS) == set(PROVIDERS)
    assert set(stand_ins.NAMES) == set(PROVIDERS)


def test_the_guide_says_what_each_can_do() -> None:
    names = [one.name for one in dataclasses.fields(Capabilities)]
    told = {row[0].strip("`"): dict(zip(names, row[1:], strict=True)) for row in table("capabilities")}
    assert told == {name: {one: "yes" if getattr(capabilities_of(name), one) else "–" for one in names} for name in (*PROVIDERS, "mock")}


def test_the_guide_names_every_file_that_names_a_provider() -> None:
    """Seen by AllSecure and Prodamus, which are nothing but providers; Stripe has a page of its own besides."""
    own = re.compile(r"services/(payments/providers/(allsecure|prodamus)/[a-z_]+|gateway/signatures/(allsecure|prodamus))\.py")
    files = [path for folder in ("services", "shared", "deploy") for path in (ROOT / folder).rglob("*.py")]
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if re.search("allsecure|prodamus", path.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert {path for row in table("places") for path in re.findall(r"`([^`]+)`", row[0])} == {
        path for path in naming if not own.fullmatch(path)
    }
