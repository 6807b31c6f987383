"""PAYOUT_METHOD, WITHDRAWAL_AUTO_APPROVE and PUBLIC_URL of payments: what they may be, and what production refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

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


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in PaymentsSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_outside_production_payouts_are_the_stand_ins_and_in_production_there_are_none_until_one_is_named() -> None:
    assert PaymentsSettings(**GOOD).payouts == "mock"
    assert PaymentsSettings(**GOOD, payout_method="none").payouts is None
    assert PaymentsSettings(**PRODUCTION).payouts is None
    assert PaymentsSettings(**PRODUCTION, payout_method="manual").payouts == "manual"


@pytest.mark.parametrize(
    ("settings", "method", "told"),
    [
        (PRODUCTION, "mock", "PAYOUT_METHOD may not be mock in production"),
        (GOOD, "allsecure", "PAYOUT_METHOD names allsecure, whose credentials are not set"),
        (GOOD, "cash", "PAYOUT_METHOD must be one of mock, allsecure, manual, none"),
    ],
)
def test_a_payout_method_that_may_not_be_stops_the_start(settings: dict[str, Any], method: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PaymentsSettings(**settings, payout_method=method)


def test_limits_of_what_nobody_approves_are_minor_units_a_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PaymentsSettings(**GOOD).withdrawal_auto_approve == {}
    monkeypatch.setenv("WITHDRAWAL_AUTO_APPROVE", "rsd=500000, EUR=5000,")
    assert PaymentsSettings(**GOOD).withdrawal_auto_approve == {"rsd": 500_000, "eur": 5_000}


@pytest.mark.parametrize(
    "value", ["rsd", "rsd=", "rsd=-1", "rsd=1.5", "rsd=1e3", "xxx=1", "=1", "rsd=1,rsd=2", "rsd=1000000000000001", "rsd=٣"]
)
def test_a_limit_that_is_none_stops_the_start(value: str) -> None:
    with pytest.raises(ValidationError, match="withdrawal_auto_approve"):
        PaymentsSettings(**GOOD, withdrawal_auto_approve=value)


@pytest.mark.parametrize("public_url", ["", "http://pay.example.org", "https://", "pay.example.org"])
def test_in_production_payment_links_lead_to_https_or_payments_does_not_start(public_url: str) -> None:
    with pytest.raises(ValidationError, match="PUBLIC_URL must begin with https:// in production"):
        PaymentsSettings(**{**PRODUCTION, "public_url": public_url})


def test_elsewhere_payment_links_lead_to_the_gateways_own_port_unless_they_are_told_where() -> None:
    assert PaymentsSettings(**GOOD, gateway_port=8123).base_url == "http://localhost:8123"
    with pytest.raises(ValidationError, match="PUBLIC_URL must begin with http:// or https://"):
        PaymentsSettings(**GOOD, public_url="javascript:alert(1)")
