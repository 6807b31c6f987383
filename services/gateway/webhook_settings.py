"""What the providers' events are verified with: secrets that they share with us."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator, model_validator

from shared.methods import PROVIDERS
from shared.provider_settings import ProviderAccounts
from shared.settings import Listed, is_placeholder

_STRIPE_SECRET_MIN: Final = 16
_DIFFERENT_MIN: Final = 5
"""Characters; the vendors draw theirs at random."""


class WebhookSettings(ProviderAccounts):
    """A provider's events are accepted as soon as it has its secret here, whether it is on for new payments or not."""

    stripe_webhook_secret: Listed = Field(default=(), repr=False, description="whsec_… of the endpoint; several while rolling")
    allsecure_accept_md5: bool = Field(default=False, description="accept callbacks that are signed in the older way, with MD5")

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _endpoint_secrets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for secret in value:
            if not secret.startswith("whsec_") or len(secret) < _STRIPE_SECRET_MIN:
                raise ValueError(f"must begin with whsec_ and have at least {_STRIPE_SECRET_MIN} characters")
        return value

    @model_validator(mode="after")
    def _stripe_wholly(self) -> WebhookSettings:
        if self.stripe_publishable_key and not self.stripe_webhook_secret:
            raise ValueError("STRIPE_WEBHOOK_SECRET is not set, but STRIPE_PUBLISHABLE_KEY is")
        if self.stripe_webhook_secret and not self.stripe_publishable_key:
            raise ValueError("STRIPE_PUBLISHABLE_KEY is not set, but STRIPE_WEBHOOK_SECRET is")
        if self.stripe_secret_key and not self.stripe_webhook_secret:
            raise ValueError("STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET are not set, but STRIPE_SECRET_KEY is")
        return self

    def refuse_guessable_secrets(self) -> None:
        """ValueError for a secret with which anybody could tell of payments: a placeholder, or a few characters repeated."""
        for name, secrets in (
            ("STRIPE_WEBHOOK_SECRET", [secret.removeprefix("whsec_") for secret in self.stripe_webhook_secret]),
            ("ALLSECURE_SHARED_SECRET", [self.allsecure_shared_secret.get_secret_value()] if self.allsecure_shared_secret else []),
            ("PRODAMUS_SECRET_KEY", self.prodamus_secret_key),
        ):
            if any(len(set(secret)) < _DIFFERENT_MIN or is_placeholder(secret) for secret in secrets):
                raise ValueError(f"{name} is weak: take the provider's own")

    @property
    def with_credentials(self) -> tuple[str, ...]:
        """The providers whose events can be verified, in the order in which payments has them."""
        configured = {
            "stripe": self.stripe_webhook_secret,
            "allsecure": self.allsecure_shared_secret,
            "prodamus": self.prodamus_secret_key,
        }
        return tuple(name for name in PROVIDERS if configured[name])
