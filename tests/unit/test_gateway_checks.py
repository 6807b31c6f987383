"""Which providers' events the gateway takes: those whose secrets it was given, and what it refuses to start with."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.checks import build_checks
from services.gateway.config import GatewaySettings
from services.gateway.ingress import Check
from services.gateway.signatures.allsecure import Connector
from services.gateway.signatures.base import Received, SignatureError
from shared.settings import load
from tests.signing import (
    ALLSECURE_SECRET,
    ALLSECURE_TARGET,
    PRODAMUS_KEY,
    STRIPE_SECRET,
    allsecure_headers,
    flat,
    prodamus_headers,
    stripe_headers,
    urlencoded,
)
from tests.unit.test_gateway_settings import DEVELOPMENT, PRODUCTION, refusal

NOW = 1_800_000_000
STRIPE: dict[str, Any] = {"stripe_webhook_secret": STRIPE_SECRET, "stripe_publishable_key": "pk_test_of_these_tests"}
ALLSECURE: dict[str, Any] = {"allsecure_shared_secret": ALLSECURE_SECRET}
PRODAMUS: dict[str, Any] = {"prodamus_secret_key": PRODAMUS_KEY}
ALL = {**STRIPE, **ALLSECURE, **PRODAMUS}
LIVE = {
    "stripe_webhook_secret": "whsec_9f2bC4dE6aB1",
    "stripe_publishable_key": "pk_live_of_these_tests",
    "allsecure_shared_secret": "9f2bC4dE6aB1",
    "allsecure_base_url": "https://asxgw.com",
    "prodamus_secret_key": "9f2bC4dE6aB1",
}
FORM = {"order_id": "1", "payment_status": "success"}
FORM_BODY = urlencoded(flat(FORM))


def settings_of(**told: Any) -> GatewaySettings:
    return GatewaySettings(**{**DEVELOPMENT, **told})


def checks(**told: Any) -> dict[str, Check]:
    settings = settings_of(**told)
    return dict(build_checks(settings, settings.keys))


@pytest.mark.parametrize("credentials", [{}, STRIPE, ALLSECURE, PRODAMUS, ALL])
def test_a_provider_is_taken_when_its_secret_is_there(credentials: dict[str, Any]) -> None:
    expected = {name.partition("_")[0] for name in credentials} | {"mock"}
    assert set(checks(**credentials)) == expected


def test_one_that_is_off_for_new_payments_is_still_taken() -> None:
    assert set(checks(**ALL, providers="prodamus")) == {"stripe", "allsecure", "prodamus"}


def test_production_has_no_mock_to_take() -> None:
    settings = GatewaySettings(**{**PRODUCTION, **LIVE})
    assert set(build_checks(settings, settings.keys)) == {"stripe", "allsecure", "prodamus"}


def test_each_of_several_secrets_counts() -> None:
    check = checks(**{**STRIPE, "stripe_webhook_secret": f"whsec_the_newer_one_of_two, {STRIPE_SECRET}"})["stripe"]
    for secret in (STRIPE_SECRET, "whsec_the_newer_one_of_two"):
        assert check(Received(stripe_headers(b"{}", NOW, secret), b"{}"), NOW).body == b"{}"
    check = checks(prodamus_secret_key=f"the newer key,{PRODAMUS_KEY}")["prodamus"]
    for key in (PRODAMUS_KEY, "the newer key"):
        assert check(Received(prodamus_headers(FORM, "application/x-www-form-urlencoded", key), FORM_BODY), NOW).body == FORM_BODY


@pytest.mark.parametrize("prefix", ["", "/shop"])
def test_allsecure_signs_the_public_address_with_its_prefix(prefix: str) -> None:
    check = checks(**ALLSECURE, public_url=f"http://localhost:8000{prefix}/")["allsecure"]
    received = Received(allsecure_headers(b"{}", target=prefix.encode() + ALLSECURE_TARGET), b"{}")
    assert check(received, NOW).body == b"{}"


@pytest.mark.parametrize("allowed", [False, True])
def test_the_weaker_signatures_count_only_where_they_are_switched_on(allowed: bool) -> None:
    accepted = checks(**ALL, allsecure_accept_md5=allowed, prodamus_demo=allowed)
    older = Received(allsecure_headers(b"{}", body_hash="md5"), b"{}")
    played = Received(prodamus_headers(FORM, "application/x-www-form-urlencoded", PRODAMUS_KEY + "demo"), FORM_BODY)
    for provider, received in (("allsecure", older), ("prodamus", played)):
        if allowed:
            assert accepted[provider](received, NOW).body == received.body
        else:
            with pytest.raises(SignatureError, match="forged"):
                accepted[provider](received, NOW)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({**STRIPE, "stripe_webhook_secret": "secret_that_is_no_whsec"}, "stripe_webhook_secret"),
        ({**STRIPE, "stripe_webhook_secret": "whsec_short"}, "stripe_webhook_secret"),
        ({**STRIPE, "stripe_webhook_secret": f"{STRIPE_SECRET},whsec_short"}, "stripe_webhook_secret"),
        ({**STRIPE, "stripe_publishable_key": "sk_live_shown_to_everybody"}, "stripe_publishable_key"),
        ({**STRIPE, "stripe_publishable_key": None}, "STRIPE_PUBLISHABLE_KEY"),
        ({**STRIPE, "stripe_webhook_secret": ""}, "STRIPE_WEBHOOK_SECRET"),
        ({"allsecure_shared_secret": "short"}, "allsecure_shared_secret"),
        ({"prodamus_secret_key": "short"}, "prodamus_secret_key"),
        ({"prodamus_secret_key": "one of three,two of three,three of three"}, "prodamus_secret_key"),
        ({"stripe_secret_key": "sk_test_4eC39HqLyjWD"}, "STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET"),
    ],
)
def test_a_wrong_secret_stops_the_start(wrong: dict[str, Any], named: str) -> None:
    assert named in refusal({**DEVELOPMENT, **wrong})


@pytest.mark.parametrize(
    ("wrong", "named"), [({"prodamus_demo": True}, "PRODAMUS_DEMO"), ({"providers": "allsecure"}, "PROVIDERS names allsecure")]
)
def test_production_takes_no_play_money_and_sells_nothing_that_it_cannot_verify(wrong: dict[str, Any], named: str) -> None:
    assert named in refusal({**PRODUCTION, **PRODAMUS, **wrong})


@pytest.mark.parametrize(
    ("guessable", "named"),
    [
        (
            {**STRIPE, "stripe_publishable_key": "pk_live_4eC39HqLyjWD", "stripe_webhook_secret": "whsec_changeme-0123456789"},
            "STRIPE_WEBHOOK_SECRET",
        ),
        (
            {**STRIPE, "stripe_publishable_key": "pk_live_4eC39HqLyjWD", "stripe_webhook_secret": "whsec_000000000000"},
            "STRIPE_WEBHOOK_SECRET",
        ),
        ({"allsecure_shared_secret": "password1"}, "ALLSECURE_SHARED_SECRET"),
        ({"prodamus_secret_key": "4fd2a9b7c1e0,changeme"}, "PRODAMUS_SECRET_KEY"),
    ],
)
def test_with_a_secret_that_can_be_guessed_anybody_could_tell_production_of_payments(guessable: dict[str, Any], named: str) -> None:
    told = refusal({**PRODUCTION, **guessable})
    assert f"{named} is weak" in told
    assert not [value for value in guessable.values() if value in told]
    assert settings_of(**guessable, jwt_secret=None, jwt_jwks="keys.json", providers="mock" if named != "STRIPE_WEBHOOK_SECRET" else "")


def test_the_line_names_the_variable_and_never_the_value(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    variables = {**DEVELOPMENT, "secret_key": "x" * 32, "stripe_webhook_secret": "do-not-print", "prodamus_secret_key": "hush"}
    for name, value in variables.items():
        if name != "_env_file":
            monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    said = capsys.readouterr().err
    assert "STRIPE_WEBHOOK_SECRET must begin with whsec_" in said
    assert "PRODAMUS_SECRET_KEY must have at least" in said
    assert "do-not-print" not in said
    assert "hush" not in said


def test_secrets_are_not_in_the_text_of_what_holds_them() -> None:
    """Which is what an error's message shows of it."""
    own = {"secret_key": ("of-this-installation-0123456789abcdef",), "jwt_secret": "of-its-tokens-0123456789abcdefghij"}
    settings = settings_of(**ALL, **own, amqp_url="amqp://guest:of-the-broker@localhost/")
    shown = f"{settings!r} {settings.keys!r} {Connector(ALLSECURE_SECRET, '/path')!r}"
    assert not [
        secret for secret in (STRIPE_SECRET, ALLSECURE_SECRET, PRODAMUS_KEY, "of-its", "of-this", "of-the-broker") if secret in shown
    ]
