"""The gateway's settings, from the environment or `.env`, and what production and a public address refuse."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from services.gateway.webhook_settings import WebhookSettings
from shared.money import currency_code
from shared.origins import default_origins, origin_of
from shared.provider_settings import MethodsOn
from shared.settings import LOOPBACK, Listed, require_address
from shared.token_settings import TokenSettings

LOCALES: Final = ("en", "ru", "sr")

PRODUCTION_RATES: Final = {
    "rate_limit_user_per_second": 20,
    "rate_limit_user_burst": 100,
    "rate_limit_address_per_second": 100,
    "rate_limit_address_burst": 500,
}
"""Defaults that are tighter in production; an address may have a whole office behind it."""


class GatewaySettings(WebhookSettings, TokenSettings):
    """Ports, public addresses, bounds of a request, and who may log in how."""

    gateway_port: int = Field(default=8000, ge=1, le=65535)
    notifier_port: int = Field(default=8001, ge=1, le=65535, description="only for NOTIFIER_PUBLIC_URL's default")
    public_url: str = ""
    notifier_public_url: str = ""
    allowed_origins: Listed = Field(default=(), description="comma-separated; default: PUBLIC_URL's")
    trusted_proxies: Listed = Field(default=(), description="addresses or networks, comma-separated")
    providers: MethodsOn = Field(default=None, description="on for new payments; which those are is payments' to say")

    body_limit_bytes: int = Field(default=262_144, ge=1_024, le=16_777_216)
    rpc_timeout_seconds: float = Field(default=10, gt=0, le=25)
    platform_fee_bps: int = Field(default=0, ge=0, le=9_999, description="only told; payments takes it")
    default_currency: Annotated[str, AfterValidator(currency_code)] = "rsd"
    default_locale: Literal["en", "ru", "sr"] = "en"
    session_cookie_seconds: int = Field(default=28_800, ge=60, le=2_592_000, description="how long a demo login lasts")
    rate_limit_login_failures: int = Field(default=10, ge=1, le=10_000, description="failed logins a minute for one login from one address")
    rate_limit_login_failures_address: int = Field(default=60, ge=1, le=100_000, description="failed logins a minute from one address")
    rate_limit_user_per_second: float = Field(default=200, ge=0.01, le=100_000, description="requests of one user; production: 20")
    rate_limit_user_burst: int = Field(default=1_000, ge=1, le=1_000_000, description="at once, before the rate counts; production: 100")
    rate_limit_address_per_second: float = Field(default=1_000, ge=0.01, le=100_000, description="of one address; production: 100")
    rate_limit_address_burst: int = Field(default=5_000, ge=1, le=1_000_000, description="at once; production: 500")

    @model_validator(mode="before")
    @classmethod
    def _rates(cls, values: Any) -> Any:
        production = isinstance(values, dict) and values.get("environment") == "production"
        return {**PRODUCTION_RATES, **values} if production else values

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin_of(origin) for origin in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(proxy, strict=False)) for proxy in value)
        except ValueError:
            raise ValueError("must be addresses or networks, like 192.0.2.1 or 192.0.2.0/24") from None

    @model_validator(mode="after")
    def _addresses(self) -> GatewaySettings:
        self.public_url = (self.public_url or f"http://localhost:{self.gateway_port}").rstrip("/")
        self.notifier_public_url = (self.notifier_public_url or f"ws://localhost:{self.notifier_port}").rstrip("/")
        require_address(self.public_url, ("http", "https"), name="PUBLIC_URL")
        require_address(self.notifier_public_url, ("ws", "wss"), name="NOTIFIER_PUBLIC_URL")
        if self.production:
            require_address(self.public_url, ("https",), name="PUBLIC_URL", when=" in production")
            require_address(self.notifier_public_url, ("wss",), name="NOTIFIER_PUBLIC_URL", when=" in production")
            if "mock" in (self.providers or ()):
                raise ValueError("PROVIDERS names mock, which production refuses")
            for provider in self.providers or ():
                if provider not in self.with_credentials:
                    raise ValueError(f"PROVIDERS names {provider}, whose credentials are not set")
            self.refuse_play_money()
            self.refuse_guessable_secrets()
        elif not self.allow_demo:
            for name, url in (("PUBLIC_URL", self.public_url), ("NOTIFIER_PUBLIC_URL", self.notifier_public_url)):
                if urlsplit(url).hostname not in LOOPBACK:
                    raise ValueError(f"{name} is public but ENVIRONMENT is development: set ALLOW_DEMO=1, or ENVIRONMENT=production")
        return self

    @model_validator(mode="after")
    def _no_live_money_beside_play_money(self) -> GatewaySettings:
        self.refuse_live_beside_play(mock_payments=self.mock_provider)
        if self.live and self.demo_login:
            raise ValueError(f"{self.live[0]} is live, and demo logins are on beside it: set JWT_JWKS, or ENVIRONMENT=production")
        return self

    @property
    def origins(self) -> frozenset[str]:
        """Whose pages may call the API with a cookie, as browsers write origins."""
        return frozenset(self.allowed_origins) or default_origins(self.public_url)

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def mock_provider(self) -> bool:
        """Is the stand-in provider on? Never in production; else unless PROVIDERS leaves it out."""
        return not self.production and (self.providers is None or "mock" in self.providers)

    @property
    def demo_login(self) -> bool:
        """Demo logins need a secret of our own to sign tokens with; production has none."""
        return not self.production and bool(self.jwt_secret)
