"""The payment providers' credentials, which payments alone has."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from shared.methods import PROVIDERS
from shared.provider_settings import ProviderAccounts


class ProviderSettings(ProviderAccounts):
    """Each provider is configured wholly or not at all."""

    allsecure_username: str | None = None
    allsecure_password: SecretStr | None = None
    allsecure_questions_per_minute: int = Field(
        default=40,
        ge=1,
        le=100_000,
        description="the reconciler's share of what AllSecure lets the API user ask: 60 unless more was agreed",
    )
    prodamus_sys: str = Field(default="", description="agreed with Prodamus; without it they tell only the address in their cabinet")

    @model_validator(mode="after")
    def _whole(self) -> ProviderSettings:
        self._all_or_none("allsecure_api_key", "allsecure_username", "allsecure_password", "allsecure_shared_secret")
        self._all_or_none("prodamus_page_url", "prodamus_secret_key")
        if self.stripe_publishable_key and not self.stripe_secret_key:
            raise ValueError("STRIPE_SECRET_KEY is not set, but STRIPE_PUBLISHABLE_KEY is")
        return self

    def _all_or_none(self, *names: str) -> None:
        missing = [name.upper() for name in names if not getattr(self, name)]
        if missing and len(missing) < len(names):
            raise ValueError(f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set, but the rest of it is")

    @property
    def with_credentials(self) -> tuple[str, ...]:
        """The providers that are configured."""
        configured = {
            "stripe": self.stripe_secret_key,
            "allsecure": self.allsecure_api_key,
            "prodamus": self.prodamus_page_url,
        }
        return tuple(name for name in PROVIDERS if configured[name])
