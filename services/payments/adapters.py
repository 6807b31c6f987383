"""The adapters of the providers that are configured: made by whoever starts something, payments itself or an operator's command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from services.payments.config import PaymentsSettings
from services.payments.providers.base import Payouts, Provider, Refunds, Statements


@dataclass(frozen=True, slots=True)
class Adapters:
    """By provider; `statements`: those that list what they have. `close`: ends their connections."""

    providers: dict[str, Provider] = field(default_factory=dict)
    refunds: dict[str, Refunds] = field(default_factory=dict)
    payouts: dict[str, Payouts] = field(default_factory=dict)
    statements: dict[str, Statements] = field(default_factory=dict)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def close(self) -> None:
        for closer in reversed(self.closers):
            await closer()


def real_adapters(settings: PaymentsSettings) -> Adapters:
    """Those that have credentials, whether they are on for new payments or not: what they have begun goes on."""
    return Adapters()
