"""The notifier's settings, from the environment or `.env`."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from shared.origins import default_origins, origin_of
from shared.settings import Listed, require_address
from shared.token_settings import TokenSettings


class NotifierSettings(TokenSettings):
    """Ports, whose pages may connect, and the bounds of what open sockets may cost."""

    notifier_port: int = Field(default=8001, ge=1, le=65535)
    gateway_port: int = Field(default=8000, ge=1, le=65535, description="only for PUBLIC_URL's default")
    public_url: str = ""
    allowed_origins: Listed = Field(default=(), description="comma-separated; default: PUBLIC_URL's")

    sockets_max: int = Field(default=10_000, ge=1, le=1_000_000)
    sockets_per_user_max: int = Field(default=20, ge=1, le=10_000, description="a replica; the newest is refused")
    ping_interval_seconds: float = Field(default=20, gt=0, le=300)
    ping_timeout_seconds: float = Field(default=20, gt=0, le=300)
    slow_socket_seconds: float = Field(default=30, gt=0, le=600, description="a socket that takes nothing for this long is dropped")
    snapshot_timeout_seconds: float = Field(default=5, gt=0, le=30, description="how long wallet may take to answer")

    @field_validator("allowed_origins")
    @classmethod
    def _normal_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(origin_of(origin) for origin in value)

    @model_validator(mode="after")
    def _public_url_and_origins(self) -> NotifierSettings:
        if not self.public_url:
            self.public_url = f"http://localhost:{self.gateway_port}"
        if self.production:
            require_address(self.public_url, ("https",), name="PUBLIC_URL", when=" in production")
        else:
            require_address(self.public_url, ("http", "https"), name="PUBLIC_URL")
        return self

    @property
    def origins(self) -> frozenset[str]:
        """Whose pages may open a socket, as browsers write origins."""
        return frozenset(self.allowed_origins) or default_origins(self.public_url)
