"""What the gateway refuses to start with, each with one line that names the variable; and the key set of somebody else's tokens."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from services.gateway.config import GatewaySettings
from shared.contracts.base import utc_now
from shared.jwks import JwksUnavailable
from shared.token_settings import build_verifier
from shared.tokens import BadToken

DEVELOPMENT: dict[str, Any] = {
    "_env_file": None,
    "amqp_url": "amqp://guest@localhost/",
    "secret_key": ("x" * 32,),
    "jwt_secret": "y" * 32,
}
PRODUCTION: dict[str, Any] = {
    **DEVELOPMENT,
    "environment": "production",
    "secret_key": ("k7Jq2mZx9Lw4Rt6Vb1Ny8Ds3Fg5Hc0Pa",),
    "jwt_secret": "Q8wE2rT6yU1iO9pA4sD7fG3hJ5kL0zXc",
    "public_url": "https://pay.example.org",
    "notifier_public_url": "wss://pay.example.org",
}


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as raised:
        GatewaySettings(**settings)
    (error,) = raised.value.errors()
    return f"{error['loc']} {error['msg']}"


def test_development_needs_only_the_broker_and_secrets() -> None:
    settings = GatewaySettings(**DEVELOPMENT)
    assert (settings.public_url, settings.notifier_public_url) == ("http://localhost:8000", "ws://localhost:8001")
    assert settings.origins == {"http://localhost:8000", "http://127.0.0.1:8000"}
    assert (settings.mock_provider, settings.demo_login, settings.secure_cookies) == (True, True, False)


def rates(settings: GatewaySettings) -> tuple[float, int, float, int]:
    return (
        settings.rate_limit_user_per_second,
        settings.rate_limit_user_burst,
        settings.rate_limit_address_per_second,
        settings.rate_limit_address_burst,
    )


def test_rates_are_tighter_in_production_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rates(GatewaySettings(**DEVELOPMENT)) == (200, 1_000, 1_000, 5_000)
    assert rates(GatewaySettings(**PRODUCTION)) == (20, 100, 100, 500)
    monkeypatch.setenv("RATE_LIMIT_USER_PER_SECOND", "0.5")
    monkeypatch.setenv("RATE_LIMIT_ADDRESS_BURST", "7")
    assert rates(GatewaySettings(**PRODUCTION)) == (0.5, 100, 100, 7)
    monkeypatch.delenv("RATE_LIMIT_USER_PER_SECOND")
    production = {name: value for name, value in PRODUCTION.items() if name != "environment"}
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert rates(GatewaySettings(**production)) == (20, 100, 100, 7), "wherever the environment is named"


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_limit_user_per_second": 0},
        {"rate_limit_user_per_second": "nan"},
        {"rate_limit_user_per_second": "inf"},
        {"rate_limit_address_per_second": -1},
        {"rate_limit_user_burst": 0},
        {"rate_limit_address_burst": 1.5},
    ],
)
def test_a_rate_that_lets_nothing_or_everything_through_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    assert name in refusal({**DEVELOPMENT, **wrong})


def test_ports_move_the_default_urls() -> None:
    settings = GatewaySettings(**DEVELOPMENT, gateway_port=9000, notifier_port=9001)
    assert (settings.public_url, settings.notifier_public_url) == ("http://localhost:9000", "ws://localhost:9001")


def test_production_with_all_that_it_needs() -> None:
    settings = GatewaySettings(**PRODUCTION)
    assert (settings.mock_provider, settings.demo_login, settings.secure_cookies) == (False, False, True)
    assert settings.origins == {"https://pay.example.org"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"providers": "stripe,mock"}, "PROVIDERS"),
        ({"public_url": "http://pay.example.org"}, "PUBLIC_URL"),
        ({"public_url": ""}, "PUBLIC_URL"),
        ({"notifier_public_url": "ws://pay.example.org"}, "NOTIFIER_PUBLIC_URL"),
        ({"secret_key": ("x" * 40,)}, "SECRET_KEY"),
        ({"secret_key": ("short",)}, "secret_key"),
        ({"jwt_secret": "y" * 40}, "JWT_SECRET"),
        ({"jwt_secret": "changeme-changeme-changeme-1234567890"}, "JWT_SECRET"),
        ({"jwt_secret": None}, "JWT_SECRET"),
        ({"jwt_secret": None, "jwt_jwks": "http://login.example.org/jwks"}, "JWT_JWKS"),
    ],
)
def test_production_refuses(wrong: dict[str, Any], named: str) -> None:
    assert named in refusal({**PRODUCTION, **wrong})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"public_url": "http://192.0.2.1:8000"}, "PUBLIC_URL"),
        ({"notifier_public_url": "wss://live.example.org"}, "NOTIFIER_PUBLIC_URL"),
        ({"bind_host": "192.0.2.1"}, "BIND_HOST"),
        ({"public_url": "ftp://localhost"}, "PUBLIC_URL"),
        ({"providers": "paypal"}, "providers"),
        ({"default_currency": "zzz"}, "default_currency"),
        ({"allowed_origins": "*"}, "allowed_origins"),
        ({"trusted_proxies": "everybody"}, "trusted_proxies"),
        ({"jwt_secret": "short"}, "JWT_SECRET"),
        ({"jwt_jwks": "/a/file"}, "JWT_JWKS"),
        ({"jwt_algorithm": "none"}, "JWT_ALGORITHM"),
        ({"gateway_port": 70_000}, "gateway_port"),
    ],
)
def test_development_refuses(wrong: dict[str, Any], named: str) -> None:
    assert named in refusal({**DEVELOPMENT, **wrong})


@pytest.mark.parametrize("public", [{"public_url": "http://192.0.2.1:8000"}, {"bind_host": "192.0.2.1"}])
def test_a_public_demo_must_be_wanted(public: dict[str, Any]) -> None:
    assert GatewaySettings(**DEVELOPMENT, **public, allow_demo=True).demo_login


STRIPE_PAGE = {"stripe_publishable_key": "pk_of_no_mode", "stripe_webhook_secret": "whsec_0123456789abcdef"}
LIVE: list[tuple[str, dict[str, Any]]] = [
    ("STRIPE_SECRET_KEY", {**STRIPE_PAGE, "stripe_secret_key": "sk_live_4eC39HqLyjWD"}),
    ("STRIPE_SECRET_KEY", {**STRIPE_PAGE, "stripe_secret_key": "rk_live_4eC39HqLyjWD"}),
    ("STRIPE_PUBLISHABLE_KEY", {**STRIPE_PAGE, "stripe_publishable_key": "pk_live_4eC39HqLyjWD"}),
    ("ALLSECURE_BASE_URL", {"allsecure_base_url": "https://asxgw.com", "allsecure_shared_secret": "of-the-connector"}),
    ("ALLSECURE_BASE_URL", {"allsecure_base_url": "https://asxgw.com", "allsecure_api_key": "connector-key"}),
    ("PRODAMUS_PAGE_URL", {"prodamus_page_url": "https://shop.payform.ru"}),
]
PLAYED: list[dict[str, Any]] = [
    {"stripe_secret_key": "sk_test_4eC39HqLyjWD", "stripe_publishable_key": "pk_test_1", "stripe_webhook_secret": "whsec_0123456789abcdef"},
    {"allsecure_shared_secret": "of-the-connector"},
    {"allsecure_base_url": "http://127.0.0.1:9001", "allsecure_shared_secret": "of-the-connector"},
    {"allsecure_base_url": "https://asxgw.com"},
    {"prodamus_page_url": "http://localhost:9002"},
    {"prodamus_page_url": "https://shop.payform.ru", "prodamus_demo": True},
]


@pytest.mark.parametrize(("variable", "live"), LIVE)
def test_live_money_has_neither_demo_logins_nor_the_mock_beside_it(tmp_path: Path, variable: str, live: dict[str, Any]) -> None:
    told = refusal({**DEVELOPMENT, **live, "providers": ""})
    assert f"{variable} is live" in told
    assert "JWT_JWKS" in told
    assert "4eC39" not in told
    for jwt_secret in (None, ""):
        own_logins = {"jwt_secret": jwt_secret, "jwt_jwks": str(tmp_path / "jwks.json")}
        assert f"{variable} is live, and mock payments are on" in refusal({**DEVELOPMENT, **live, **own_logins})
        assert not GatewaySettings(**{**DEVELOPMENT, **live, **own_logins, "providers": ""}).demo_login
    assert GatewaySettings(**{**PRODUCTION, **live}).live == (variable,)


def test_live_money_has_no_emulator_beside_it() -> None:
    """As payments says it: tests/unit/test_provider_settings.py."""
    beside = {
        "prodamus_page_url": "https://shop.payform.ru",
        "allsecure_base_url": "http://[::1]:9",
        "allsecure_shared_secret": "its-secret",
    }
    told = refusal({**DEVELOPMENT, **beside, "providers": "", "jwt_secret": None, "jwt_jwks": "keys.json"})
    assert "PRODAMUS_PAGE_URL is live, and ALLSECURE_BASE_URL leads to an emulator beside it" in told


@pytest.mark.parametrize("played", PLAYED)
def test_play_money_may_be_moved_by_demo_logins(played: dict[str, Any]) -> None:
    assert GatewaySettings(**DEVELOPMENT, **played).demo_login


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_tokens_of_a_key_set(tmp_path: Path, algorithm: str) -> None:
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    entries = [
        {**json.loads(jwt.get_algorithm_by_name(name).to_jwk(key.public_key())), "kid": name, "use": "sig"}
        for name, key in (("RS256", rsa_key), ("ES256", ec_key))
    ]
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": entries}))
    verifier = build_verifier(GatewaySettings(**{**DEVELOPMENT, "jwt_secret": None, "jwt_jwks": str(file), "jwt_algorithm": algorithm}))
    claims = {"sub": "5", "iss": "purser", "aud": "purser", "exp": utc_now() + timedelta(minutes=5)}
    keys: dict[str, Any] = {"RS256": rsa_key, "ES256": ec_key}

    def token(name: str, kid: str) -> str:
        return jwt.encode(claims, keys[name], name, headers={"kid": kid})

    other = "ES256" if algorithm == "RS256" else "RS256"
    assert verifier.verify(token(algorithm, algorithm)).user_id == "5"
    # The algorithm is the setting's; the key is the set's; neither is the token's to choose.
    for bad in (
        token(other, other),
        token(algorithm, "unknown"),
        token(other, algorithm),
        jwt.encode(claims, "y" * 32, "HS256", headers={"kid": algorithm}),
    ):
        with pytest.raises(BadToken):
            verifier.verify(bad)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"keys":[]}', '{"keys":[{"kty":"EC"}]}', '{"keys":[{"kty":"RSA","n":"!"}]}'])
def test_a_key_set_that_cannot_be_used_stops_the_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(content)
    with pytest.raises(JwksUnavailable, match="JWT_JWKS"):
        build_verifier(GatewaySettings(**{**DEVELOPMENT, "jwt_secret": None, "jwt_jwks": str(file)}))
