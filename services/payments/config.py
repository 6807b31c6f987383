"""Settings of payments."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from services.payments.domain.fees import FEE_BPS_MAX
from services.payments.domain.payments import METHODS
from shared.settings import SECRET_BYTES_MIN, DatabaseSettings, Listed, ListedOrUnset, refuse_weak


class PaymentsSettings(DatabaseSettings):
    payments_port: int = Field(default=8011, ge=0, le=65535, description="health and metrics")
    gateway_port: int = Field(default=8000, ge=1, le=65535)
    public_url: str = Field(default="", description="where payment links lead; default http://localhost:{GATEWAY_PORT}")
    providers: ListedOrUnset = Field(default=None, description="on for new payments, the first is the default")
    reconcile_after_seconds: float = Field(default=60, gt=0, le=86_400, description="pending longer than this: the provider is asked")
    data_keys: Listed = Field(description="at least 32 bytes each, comma-separated: the first seals personal data, all open it")
    platform_fee_bps: int = Field(default=0, ge=0, le=FEE_BPS_MAX, description="of a session's price, in hundredths of a percent")
    session_ttl_seconds: int = Field(default=3600, ge=1, le=30 * 86400)

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
    def _providers(self) -> PaymentsSettings:
        for name in self.providers or ():
            if name not in METHODS:
                raise ValueError(f"PROVIDERS names {name!r}; known are {', '.join(METHODS)}")
        if self.production and "mock" in self.enabled:
            raise ValueError("PROVIDERS may not hold mock in production")
        return self

    @property
    def enabled(self) -> tuple[str, ...]:
        """The providers that are on for new payments."""
        if self.providers is not None:
            return self.providers
        return () if self.production else ("mock",)

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://localhost:{self.gateway_port}").rstrip("/")
