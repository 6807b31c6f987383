"""What the providers' events are verified with: secrets that they share with us."""

from __future__ import annotations

from typing import Final

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.methods import PROVIDERS
from shared.provider_settings import ProviderAccounts
from shared.settings import Listed

_STRIPE_SECRET_MIN: Final = 16
_SHARED_SECRET_MIN: Final = 8
"""The other vendors choose the secret and tell no length; shorter than this can be guessed from one callback."""
_PRODAMUS_KEYS_MAX: Final = 2


class WebhookSettings(ProviderAccounts):
    """A provider's events are accepted as soon as it has its secret here, whether it is on for new payments or not."""

    stripe_webhook_secret: Listed = Field(default=(), repr=False, description="whsec_… of the endpoint; several while rolling")
    allsecure_accept_md5: bool = Field(default=False, description="accept callbacks that are signed in the older way, with MD5")
    prodamus_secret_key: Listed = Field(default=(), repr=False, description="two, comma-separated, while rolling: the first signs links")

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _endpoint_secrets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for secret in value:
            if not secret.startswith("whsec_") or len(secret) < _STRIPE_SECRET_MIN:
                raise ValueError(f"must begin with whsec_ and have at least {_STRIPE_SECRET_MIN} characters")
        return value

    @field_validator("allsecure_shared_secret")
    @classmethod
    def _shared_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _SHARED_SECRET_MIN:
            raise ValueError(f"must have at least {_SHARED_SECRET_MIN} characters")
        return value

    @field_validator("prodamus_secret_key")
    @classmethod
    def _page_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) > _PRODAMUS_KEYS_MAX:
            raise ValueError(f"has more than {_PRODAMUS_KEYS_MAX} keys")
        if any(len(key) < _SHARED_SECRET_MIN for key in value):
            raise ValueError(f"must have at least {_SHARED_SECRET_MIN} characters each")
        return value

    @model_validator(mode="after")
    def _stripe_wholly(self) -> WebhookSettings:
        if self.stripe_publishable_key and not self.stripe_webhook_secret:
            raise ValueError("STRIPE_WEBHOOK_SECRET is not set, but STRIPE_PUBLISHABLE_KEY is")
        if self.stripe_webhook_secret and not self.stripe_publishable_key:
            raise ValueError("STRIPE_PUBLISHABLE_KEY is not set, but STRIPE_WEBHOOK_SECRET is")
        return self

    @property
    def with_credentials(self) -> tuple[str, ...]:
        """The providers whose events can be verified, in the order in which payments has them."""
        configured = {
            "stripe": self.stripe_webhook_secret,
            "allsecure": self.allsecure_shared_secret,
            "prodamus": self.prodamus_secret_key,
        }
        return tuple(name for name in PROVIDERS if configured[name])
