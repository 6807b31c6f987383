"""Each test of the suite runs in every provider's world that can play it: `@plays("3ds")`, `@can("refund")` above it say what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from deploy.local.postgres import PostgresServer
from services.payments.domain.capabilities import Capabilities
from services.payments.providers.allsecure.adapter import AllSecureProvider
from services.payments.providers.mock.adapter import MockProvider
from services.payments.providers.prodamus.adapter import ProdamusProvider
from services.payments.providers.stripe.adapter import StripeProvider
from tests.contract.providers.allsecure_stage import AllSecureStage, allsecure_stage
from tests.contract.providers.kiosk.adapter import KioskProvider
from tests.contract.providers.kiosk_stage import KioskStage, kiosk_stage
from tests.contract.providers.mock_stage import MockStage, mock_stage
from tests.contract.providers.prodamus_stage import ProdamusStage, prodamus_stage
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.stripe_stage import StripeStage, stripe_stage
from tests.contract.providers.world import ProviderWorld, provider_world
from tests.emulators.server import EmulatorServer
from tests.servers import fresh_database


@dataclass(frozen=True, slots=True)
class Entry:
    open: Callable[[Receiver], AbstractAsyncContextManager[Any]]
    plays: frozenset[str]
    capabilities: Capabilities


STAGES: Final[Mapping[str, Entry]] = {
    "mock": Entry(mock_stage, MockStage.plays, MockProvider.capabilities),
    "stripe": Entry(stripe_stage, StripeStage.plays, StripeProvider.capabilities),
    "allsecure": Entry(allsecure_stage, AllSecureStage.plays, AllSecureProvider.capabilities),
    "prodamus": Entry(prodamus_stage, ProdamusStage.plays, ProdamusProvider.capabilities),
    "kiosk": Entry(kiosk_stage, KioskStage.plays, KioskProvider.capabilities),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" not in metafunc.fixturenames:
        return
    plays = {name for mark in metafunc.definition.iter_markers("plays") for name in mark.args}
    needed = {name for mark in metafunc.definition.iter_markers("can") for name in mark.args}
    lacked = {name for mark in metafunc.definition.iter_markers("cannot") for name in mark.args}
    names = [
        name
        for name, entry in STAGES.items()
        if plays <= entry.plays
        and all(getattr(entry.capabilities, one) for one in needed)
        and not any(getattr(entry.capabilities, one) for one in lacked)
    ]
    metafunc.parametrize("stage_name", names, scope="module")


@pytest.fixture(scope="module")
async def _world(stage_name: str, postgres_server: PostgresServer) -> AsyncIterator[ProviderWorld]:
    receiver = Receiver()
    async with fresh_database(postgres_server) as url, EmulatorServer(receiver), STAGES[stage_name].open(receiver) as stage:
        receiver.checks[stage_name] = stage.check
        async with provider_world(url, stage, receiver) as world:
            yield world


@pytest.fixture
async def world(_world: ProviderWorld) -> AsyncIterator[ProviderWorld]:
    """Undisturbed at first; at its end everything has come to rest, and both books say the same."""
    yield _world
    _world.stage.faults.off()
    _world.stage.deliveries.off()
    _world.receiver.inbox.down = False
    await _world.arrive()
    await _world.books_agree()
