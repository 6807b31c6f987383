"""Settings: a wrong or missing one ends the start with one line that names it and does not show its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.settings import CommonSettings, DatabaseSettings, load
from shared.token_settings import TokenSettings

STRONG = "mB3v9QxT7kLw2ZrY8hNc5JfD1sGp6VuA"
STRONGER = "Zq8wXe2Rt6Yu1Io9Pa4Sd7Fg3Hj5Kl0Mn"
GOOD = {"AMQP_URL": "amqp://user:broker-password@localhost/", "SECRET_KEY": STRONG}
DATABASE = {"DATABASE_URL": "postgresql://role:database-password@localhost/purser"}
PRODUCTION = {"ENVIRONMENT": "production"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, and no .env: what a test sets is all there is."""
    for settings_class in (CommonSettings, DatabaseSettings, TokenSettings):
        for name in settings_class.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def give(monkeypatch: pytest.MonkeyPatch, *variables: dict[str, str]) -> None:
    for given in variables:
        for name, value in given.items():
            monkeypatch.setenv(name, value)


def refusal(settings_class: type[CommonSettings], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the refused start leaves."""
    with pytest.raises(SystemExit) as stopped:
        load(settings_class)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("cannot start: ")
    return said.strip().removeprefix("cannot start: ")


def test_the_least_that_is_needed_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, GOOD)
    settings = load(CommonSettings)

    assert settings.bind_host == "127.0.0.1"
    assert not settings.production
    assert settings.secret_key == (STRONG,)


def test_missing_ones_are_all_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(DatabaseSettings, capsys) == "AMQP_URL is not set; SECRET_KEY is not set; DATABASE_URL is not set"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SECRET_KEY", "too-short-to-be-a-secret", "SECRET_KEY must be at least 32 bytes"),
        ("SECRET_KEY", "", "SECRET_KEY is empty"),
        ("SECRET_KEY", f"{STRONG},too-short", "SECRET_KEY must be at least 32 bytes"),
        ("AMQP_URL", "http://user:broker-password@localhost/", "AMQP_URL must begin with amqp:// or amqps://"),
        ("DATABASE_URL", "mysql://role:database-password@localhost/purser", "DATABASE_URL must begin with postgresql://"),
        ("DATABASE_POOL_SIZE", "many", "DATABASE_POOL_SIZE Input should be a valid integer"),
        ("DATABASE_POOL_SIZE", "1", "DATABASE_POOL_SIZE Input should be greater than or equal to 2"),
        ("ENVIRONMENT", "prod", "ENVIRONMENT Input should be 'development' or 'production'"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL Input should be"),
    ],
)
def test_a_wrong_one_is_named_without_its_value(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, GOOD, DATABASE, {variable: value})
    line = refusal(DatabaseSettings, capsys)

    assert line.startswith(said)
    for secret in ("password", "too-short", STRONG):
        assert secret not in line


def test_two_secrets_while_rolling_and_the_first_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, GOOD, {"SECRET_KEY": f" {STRONGER} , {STRONG},"})
    keys = load(CommonSettings).keys

    assert keys.secrets == (STRONGER, STRONG)
    assert keys.signing("receipt") == keys.verifying("receipt")[0]
    assert len(keys.verifying("receipt")) == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])  # noqa: S104 - the point of it
def test_a_public_address_is_refused_in_development(host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, GOOD, {"BIND_HOST": host})

    line = refusal(CommonSettings, capsys)
    assert "BIND_HOST is public" in line
    assert "ALLOW_DEMO" in line

    monkeypatch.setenv("ALLOW_DEMO", "1")
    assert load(CommonSettings).bind_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_is_no_public_address(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, GOOD, {"BIND_HOST": host})

    assert load(CommonSettings).bind_host == host


@pytest.mark.parametrize(
    "secret", ["a" * 40, "abcabcabc" * 5, f"changeme-{STRONG}", f"{STRONG}-example", f"my-secret-{STRONG}", f"PASSWORD{STRONG}"]
)
def test_production_refuses_a_weak_secret_key(secret: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, GOOD, {"SECRET_KEY": f"{STRONG},{secret}"})
    load(CommonSettings)

    give(monkeypatch, PRODUCTION)
    line = refusal(CommonSettings, capsys)
    assert line.startswith("SECRET_KEY is weak")
    assert secret not in line


def test_production_takes_a_strong_one_on_a_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, GOOD, PRODUCTION, {"BIND_HOST": "0.0.0.0"})  # noqa: S104

    assert load(CommonSettings).production


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "JWT_SECRET is not set (or set JWT_JWKS)"),
        ({"JWT_SECRET": "short"}, "JWT_SECRET must be at least 32 bytes"),
        ({"JWT_SECRET": STRONG, "JWT_JWKS": "keys.json"}, "JWT_SECRET and JWT_JWKS are both set: keep one"),
        ({"JWT_SECRET": STRONG, "JWT_ALGORITHM": "none"}, "JWT_ALGORITHM must be HS256 with JWT_SECRET"),
        ({"JWT_SECRET": STRONG, "JWT_ALGORITHM": "RS256"}, "JWT_ALGORITHM must be HS256 with JWT_SECRET"),
        ({"JWT_JWKS": "keys.json", "JWT_ALGORITHM": "HS256"}, "JWT_ALGORITHM must be one of RS256, ES256, EdDSA with JWT_JWKS"),
        ({"JWT_SECRET": STRONG, "JWT_ISSUER": ""}, "JWT_ISSUER String should have at least 1 character"),
        ({"JWT_SECRET": "a" * 40} | PRODUCTION, "JWT_SECRET is weak"),
        ({"JWT_JWKS": "http://issuer.example/keys"} | PRODUCTION, "JWT_JWKS must be https in production"),
    ],
)
def test_one_kind_of_key_verifies_tokens(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, GOOD, variables)

    assert refusal(TokenSettings, capsys).startswith(said)


def test_a_file_named_env_is_read_and_the_environment_beats_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"AMQP_URL=amqp://from.file/\nSECRET_KEY={STRONG}\nSOMEONE_ELSES=1\n")
    monkeypatch.setenv("SECRET_KEY", STRONGER)
    settings = load(CommonSettings)

    assert settings.amqp_url == "amqp://from.file/"
    assert settings.secret_key == (STRONGER,)
