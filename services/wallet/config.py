"""Settings of wallet."""

from __future__ import annotations

from pydantic import Field

from shared.settings import DatabaseSettings


class WalletSettings(DatabaseSettings):
    wallet_port: int = Field(default=8012, ge=0, le=65535, description="health and metrics")
