"""Settings of payments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from services.payments.domain.fees import FEE_BPS_MAX
from services.payments.provider_settings import ProviderSettings
from shared.methods import PROVIDERS
from shared.money import MAX_AMOUNT_MINOR, currency_code
from shared.provider_settings import MethodsOn
from shared.settings import SECRET_BYTES_MIN, DatabaseSettings, Listed, refuse_weak, require_address

PAYOUT_METHODS: Final = ("mock", "allsecure", "manual")
NO_PAYOUTS: Final = "none"


def _limits(value: Any) -> Any:
    """`rsd=500000,eur=5000`: currency -> minor units."""
    if not isinstance(value, str):
        return value
    limits: dict[str, int] = {}
    for part in value.split(","):
        if not part.strip():
            continue
        name, equals, amount = (text.strip() for text in part.partition("="))
        currency = currency_code(name)
        if not equals or not amount.isascii() or not amount.isdigit() or len(amount) > 16 or int(amount) > MAX_AMOUNT_MINOR:
            raise ValueError(f"must name minor units a currency, like rsd=500000,eur=5000; {name[:12]!r} does not")
        if currency in limits:
            raise ValueError(f"names {currency} twice")
        limits[currency] = int(amount)
    return limits


class PaymentsSettings(ProviderSettings, DatabaseSettings):
    payments_port: int = Field(default=8011, ge=0, le=65535, description="health and metrics")
    gateway_port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = Field(default="", description="where payment links lead; default http://localhost:{GATEWAY_PORT}")
    providers: MethodsOn = Field(default=None, description="on for new payments, the first is the default")
    reconcile_after_seconds: float = Field(default=60, gt=0, le=86_400, description="pending longer than this: the provider is asked")
    data_keys: Listed = Field(repr=False, description="at least 32 bytes each, comma-separated: the first seals personal data, all open it")
    platform_fee_bps: int = Field(default=0, ge=0, le=FEE_BPS_MAX, description="of a session's price, in hundredths of a percent")
    payout_method: str = Field(default="", description=f"{', '.join(PAYOUT_METHODS)} or none; default mock, in production none")
    withdrawal_auto_approve: Annotated[Mapping[str, int], NoDecode, BeforeValidator(_limits)] = Field(
        default={}, description="per currency, minor units, per user and day: rsd=500000,eur=5000"
    )
    products_file: Path | None = Field(default=None, description="what is on sale (TOML); default: the packaged products")
    session_ttl_seconds: int = Field(default=3600, ge=1, le=30 * 86400)
    retention_days: int = Field(default=400, ge=30, le=36_500, description="personal data goes so long after what it belongs to has ended")

    @field_validator("data_keys")
    @classmethod
    def _long_enough_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("is empty")
        if any(len(key.encode()) < SECRET_BYTES_MIN for key in value):
            raise ValueError(f"must be at least {SECRET_BYTES_MIN} bytes each")
        return value

    @model_validator(mode="after")
    def _strong_data_keys(self) -> PaymentsSettings:
        if self.production:
            for key in self.data_keys:
                refuse_weak("DATA_KEYS", key)
        return self

    @model_validator(mode="after")
    def _payment_links(self) -> PaymentsSettings:
        if self.production:
            require_address(self.base_url, ("https",), name="PUBLIC_URL", when=" in production")
        else:
            require_address(self.base_url, ("http", "https"), name="PUBLIC_URL")
        return self

    @model_validator(mode="after")
    def _providers(self) -> PaymentsSettings:
        if self.production:
            if "mock" in self.enabled:
                raise ValueError("PROVIDERS may not hold mock in production")
            missing = [name for name in self.enabled if name not in self.with_credentials]
            if missing:
                raise ValueError(f"PROVIDERS names {missing[0]}, whose credentials are not set")
            self.refuse_play_money()
        return self

    @model_validator(mode="after")
    def _payouts(self) -> PaymentsSettings:
        if self.payout_method not in ("", NO_PAYOUTS, *PAYOUT_METHODS):
            raise ValueError(f"PAYOUT_METHOD must be one of {', '.join((*PAYOUT_METHODS, NO_PAYOUTS))}")
        if self.payout_method in PROVIDERS and self.payout_method not in self.with_credentials:
            raise ValueError(f"PAYOUT_METHOD names {self.payout_method}, whose credentials are not set")
        if self.production and self.payout_method == "mock":
            raise ValueError("PAYOUT_METHOD may not be mock in production")
        return self

    @model_validator(mode="after")
    def _no_live_money_beside_play_money(self) -> PaymentsSettings:
        self.refuse_live_beside_play(mock_payments="mock" in self.enabled)
        if self.live and self.payouts == "mock":
            raise ValueError(f"{self.live[0]} is live, and mock payouts are on beside it: set PAYOUT_METHOD to manual or none")
        return self

    @property
    def payouts(self) -> str | None:
        """How new withdrawals are paid out; None: not at all."""
        chosen = self.payout_method or (NO_PAYOUTS if self.production else "mock")
        return None if chosen == NO_PAYOUTS else chosen

    @property
    def enabled(self) -> tuple[str, ...]:
        """The providers that are on for new payments, as far as they are configured; the first is the default."""
        if self.providers is not None:
            return self.providers
        return self.with_credentials if self.production else (*self.with_credentials, "mock")

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://localhost:{self.gateway_port}").rstrip("/")
