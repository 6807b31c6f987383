"""A stage: a provider's adapter, the gateway's check of its webhooks, and its stand-in with a payer to steer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

import pytest

from services.gateway.ingress import Check
from services.payments.providers.base import Payouts, Provider, Refunds
from shared.money import Money
from tests.emulators.deliveries import Deliveries
from tests.emulators.faults import Faults
from tests.integration.payments_world import PaymentsWorld


@dataclass(frozen=True, slots=True)
class Session:
    """What the payer was given: our reference, and where to go on."""

    session_id: UUID
    payment_url: str
    client_secret: str | None = None


@dataclass(frozen=True, slots=True)
class TheirCharge:
    """A charge in the provider's own book: money that was taken, under our reference; what of it went back, and what a dispute holds."""

    session_id: UUID
    money: Money
    refunded_minor: int = 0
    disputed_minor: int = 0


Play = Literal["3ds", "attempts", "give_up", "refund_elsewhere", "fail_refunds", "disputes", "faults", "strangers", "confirm", "slow"]
"""What a stage can show besides paying: 3-D Secure; a declined attempt that leaves the session open; …; `faults`: a wire that can break;
`strangers`: charges of another system on the same account; `confirm`: confirming is a question (the mock's pays);
`slow`: banks that decide later."""


class Stage(Protocol):
    """`sums`: one of each number of decimals that the provider's currencies have. `…_operation`: its routes' names for faults. A payer's
    deed returns when the provider has done it; its webhooks may still be on their way (`deliveries`)."""

    name: str
    provider: Provider
    refunds: Refunds | None
    payouts: Payouts | None
    check: Check
    deliveries: Deliveries
    faults: Faults
    sums: Sequence[Money]
    plays: frozenset[Play]
    create_operation: str
    find_operation: str
    refund_operation: str

    def attach(self, payments: PaymentsWorld) -> None:
        """Told of the world that it plays in; only the mock, whose book lies there, needs it."""
        ...

    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The adapter waits for half a second at most."""
        ...

    async def pay(self, session: Session) -> None: ...
    async def decline(self, session: Session) -> None:
        """An attempt that the bank declines."""
        ...

    async def pay_with_3ds(self, session: Session, *, passes: bool) -> None: ...
    async def pay_slowly(self, session: Session) -> None:
        """The payer has done their part, and the bank decides later."""
        ...

    async def settle_slowly(self, session: Session) -> None:
        """The bank says yes."""
        ...

    async def give_up(self, session: Session) -> None:
        """The payer goes back to the shop."""
        ...

    async def refund_elsewhere(self, session: Session, money: Money) -> None:
        """At the provider's own site."""
        ...

    async def fail_refunds(self, session: Session) -> None:
        """Those of the session that had succeeded come back."""
        ...

    async def dispute(self, session: Session, event: str) -> None:
        """`opened`, `won` or `lost`."""
        ...

    async def stranger(self) -> None:
        """Somebody pays another system of the same account; its webhook comes to us too."""
        ...

    async def charges(self) -> list[TheirCharge]:
        """The provider's own book."""
        ...
