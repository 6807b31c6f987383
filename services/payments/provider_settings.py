"""The payment providers' credentials and addresses, what of them is live, and what production refuses."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from shared.settings import LOOPBACK, Listed

STRIPE_API: Final = "https://api.stripe.com"
ALLSECURE_SANDBOX: Final = "https://asxgw.paymentsandbox.cloud"
SANDBOX_HOSTS: Final = frozenset({"asxgw.paymentsandbox.cloud"})


class ProviderSettings(BaseSettings):
    """Each provider is configured wholly or not at all."""

    stripe_secret_key: SecretStr | None = Field(default=None, description="sk_… or rk_…; of test mode in development")
    stripe_api_base: str = Field(default=STRIPE_API, description="another address only for an emulator")
    allsecure_api_key: SecretStr | None = Field(default=None, description="of the connector")
    allsecure_username: str | None = None
    allsecure_password: SecretStr | None = None
    allsecure_shared_secret: SecretStr | None = Field(default=None, description="of the connector; signs requests and callbacks")
    allsecure_base_url: str = Field(default=ALLSECURE_SANDBOX, description="production: https://asxgw.com")
    prodamus_page_url: str | None = Field(default=None, description="https://<your page>.payform.ru")
    prodamus_secret_key: Listed = Field(default=(), description="two, comma-separated, while rolling: the first signs links")
    prodamus_sys: str = Field(default="", description="agreed with Prodamus; without it they tell only the address in their cabinet")
    prodamus_demo: bool = Field(default=False, description="test payments; refused in production")

    @field_validator("stripe_secret_key")
    @classmethod
    def _stripe_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")):
            raise ValueError("must begin with sk_test_, sk_live_, rk_test_ or rk_live_")
        return value

    @field_validator("stripe_api_base", "allsecure_base_url", "prodamus_page_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an https:// address")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("must begin with https://; plain HTTP is only for an emulator on this machine")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> ProviderSettings:
        self._all_or_none("allsecure_api_key", "allsecure_username", "allsecure_password", "allsecure_shared_secret")
        self._all_or_none("prodamus_page_url", "prodamus_secret_key")
        if len(self.prodamus_secret_key) > 2:
            raise ValueError("PRODAMUS_SECRET_KEY has more than two keys")
        return self

    def _all_or_none(self, *names: str) -> None:
        missing = [name.upper() for name in names if not getattr(self, name)]
        if missing and len(missing) < len(names):
            raise ValueError(f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set, but the rest of it is")

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

    @property
    def with_credentials(self) -> tuple[str, ...]:
        """The providers that are configured."""
        configured = {
            "stripe": self.stripe_secret_key,
            "allsecure": self.allsecure_api_key,
            "prodamus": self.prodamus_page_url,
        }
        return tuple(name for name, credential in configured.items() if credential)

    @property
    def live(self) -> tuple[str, ...]:
        """The variables that make real money move: it never shares a book with play money."""
        live = []
        if self.stripe_secret_key is not None and self.stripe_secret_key.get_secret_value().startswith(("sk_live_", "rk_live_")):
            live.append("STRIPE_SECRET_KEY")
        if self.allsecure_api_key is not None and urlsplit(self.allsecure_base_url).hostname not in SANDBOX_HOSTS | LOOPBACK:
            live.append("ALLSECURE_BASE_URL")
        page = self.prodamus_page_url
        if page is not None and not self.prodamus_demo and urlsplit(page).hostname not in LOOPBACK:
            live.append("PRODAMUS_PAGE_URL")
        return tuple(live)
