"""Whose accounts at the payment providers are used, and whether real money moves there: gateway's and payments'."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from shared.methods import METHODS, PROVIDERS
from shared.settings import LOOPBACK, Listed, ListedOrUnset, require_address

STRIPE_API: Final = "https://api.stripe.com"
ALLSECURE_SANDBOX: Final = "https://asxgw.paymentsandbox.cloud"
SANDBOX_HOSTS: Final = frozenset({"asxgw.paymentsandbox.cloud"})

_STRIPE_KEY: Final = re.compile(r"(sk|rk)_(test|live)_[!-~]+")
_PUBLISHABLE_KEY: Final = re.compile(r"pk_[!-~]+")
_SHARED_SECRET_MIN: Final = 8
"""These vendors choose the secret and tell no length; shorter than this can be guessed from one callback."""
_PRODAMUS_KEYS_MAX: Final = 2


def _known(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    names = value or ()
    if not set(names) <= set(METHODS):
        raise ValueError(f"names what is none of {', '.join(METHODS)}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"names {twice} twice")
    return value


MethodsOn = Annotated[ListedOrUnset, AfterValidator(_known)]
"""PROVIDERS."""


class ProviderAccounts(BaseSettings):
    """A service has only those that it needs; what it sees is enough to tell live from play."""

    stripe_secret_key: SecretStr | None = Field(default=None, description="sk_… or rk_…; of test mode in development")
    stripe_publishable_key: str | None = Field(default=None, description="pk_…, for the page on which cards are entered")
    stripe_api_base: str = Field(default=STRIPE_API, description="another address only for an emulator")
    allsecure_api_key: SecretStr | None = Field(default=None, description="of the connector")
    allsecure_shared_secret: SecretStr | None = Field(default=None, description="of the connector; signs requests and callbacks")
    allsecure_base_url: str = Field(default=ALLSECURE_SANDBOX, description="production: https://asxgw.com")
    prodamus_page_url: str | None = Field(default=None, description="https://<your page>.payform.ru")
    prodamus_secret_key: Listed = Field(default=(), repr=False, description="two, comma-separated, while rolling: the first signs links")
    prodamus_demo: bool = Field(default=False, description="test payments; refused in production")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_set(cls, values: Any) -> Any:
        # A line that was left to be filled in, or what a container is given of a variable that its host has not.
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value != "" or not name.startswith(PROVIDERS)}

    @field_validator("stripe_secret_key")
    @classmethod
    def _stripe_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _STRIPE_KEY.fullmatch(value.get_secret_value()):
            raise ValueError("must begin with sk_test_, sk_live_, rk_test_ or rk_live_, and have no spaces")
        return value

    @field_validator("stripe_publishable_key")
    @classmethod
    def _publishable(cls, value: str | None) -> str | None:
        # A secret key here would be shown to every payer.
        if value is not None and not _PUBLISHABLE_KEY.fullmatch(value):
            raise ValueError("must begin with pk_, and have no spaces")
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

    @field_validator("stripe_api_base", "allsecure_base_url", "prodamus_page_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        require_address(value, ("https", "http"))
        parts = urlsplit(value)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("must begin with https://; plain HTTP is only for an emulator on this machine")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _keys_of_one_mode(self) -> ProviderAccounts:
        modes = {key[2:8] for key in (self._stripe_secret, self.stripe_publishable_key or "")}
        if {"_test_", "_live_"} <= modes:
            raise ValueError("STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY are of different modes: one is live, the other of test mode")
        return self

    def refuse_play_money(self) -> None:
        """ValueError where production would credit what nobody has paid: emulators, and a provider's demo."""
        for name, url in (
            ("STRIPE_API_BASE", self.stripe_api_base),
            ("ALLSECURE_BASE_URL", self.allsecure_base_url),
            ("PRODAMUS_PAGE_URL", self.prodamus_page_url),
        ):
            if url is not None and (not url.startswith("https://") or urlsplit(url).hostname in LOOPBACK):
                raise ValueError(f"{name} leads to this machine, which production refuses: emulators make money of nothing")
        if self.stripe_api_base != STRIPE_API:
            raise ValueError(f"STRIPE_API_BASE is not {STRIPE_API}, which production refuses")
        if self.prodamus_demo:
            raise ValueError("PRODAMUS_DEMO is on, which production refuses: test payments are signed like real ones")

    def refuse_live_beside_play(self, *, mock_payments: bool) -> None:
        """ValueError where real money would be booked beside what nobody has paid."""
        if self.live and mock_payments:
            raise ValueError(f"{self.live[0]} is live, and mock payments are on beside it: name PROVIDERS without mock")
        if self.live and self.played_here:
            raise ValueError(f"{self.live[0]} is live, and {self.played_here[0]} leads to an emulator beside it: set the provider's own")

    @property
    def live(self) -> tuple[str, ...]:
        """The variables that make real money move: it never shares a book, or a login, with play money."""
        live = []
        if "_live_" in self._stripe_secret:
            live.append("STRIPE_SECRET_KEY")
        if (self.stripe_publishable_key or "").startswith("pk_live_"):
            live.append("STRIPE_PUBLISHABLE_KEY")
        if self._has_allsecure and urlsplit(self.allsecure_base_url).hostname not in SANDBOX_HOSTS | LOOPBACK:
            live.append("ALLSECURE_BASE_URL")
        page = self.prodamus_page_url
        if page is not None and not self.prodamus_demo and urlsplit(page).hostname not in LOOPBACK:
            live.append("PRODAMUS_PAGE_URL")
        return tuple(live)

    @property
    def of_test_mode(self) -> tuple[str, ...]:
        """The variables through which a provider only plays: whoever pays there has paid nothing."""
        played = []
        if "_test_" in self._stripe_secret:
            played.append("STRIPE_SECRET_KEY")
        if self._has_allsecure and urlsplit(self.allsecure_base_url).hostname in SANDBOX_HOSTS:
            played.append("ALLSECURE_BASE_URL")
        return tuple(played)

    @property
    def played_here(self) -> tuple[str, ...]:
        """The variables that lead to an emulator on this machine in a provider's place: its money is as little worth as the mock's."""
        addresses = {
            "STRIPE_API_BASE": self.stripe_api_base if self._stripe_secret else None,
            "ALLSECURE_BASE_URL": self.allsecure_base_url if self._has_allsecure else None,
            "PRODAMUS_PAGE_URL": self.prodamus_page_url,
        }
        return tuple(name for name, url in addresses.items() if url is not None and urlsplit(url).hostname in LOOPBACK)

    @property
    def _stripe_secret(self) -> str:
        """How the key begins, as far as its mode: sk_live_, rk_test_, …; empty without one."""
        return "" if self.stripe_secret_key is None else self.stripe_secret_key.get_secret_value()[:8]

    @property
    def _has_allsecure(self) -> bool:
        return self.allsecure_api_key is not None or self.allsecure_shared_secret is not None
