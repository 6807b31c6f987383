"""The emulators as `make run` starts them: a merchant's own test credentials, never live ones, and no number of an earlier run again."""

from __future__ import annotations

import pytest

from tests.emulators.prodamus import ProdamusEmulator
from tests.emulators.prodamus.php import Tree
from tests.emulators.sandbox import LiveKeyError, prodamus, stripe
from tests.emulators.stripe import StripeEmulator

WEBHOOKS = "http://127.0.0.1:9/hook"


def first_order(emulator: ProdamusEmulator) -> int:
    product: Tree = {"name": "A", "price": "5", "quantity": "1"}
    parameters: Tree = {"do": "pay", "order_id": "1", "customer_phone": "+79990000000", "products": {"0": product}}
    link = emulator.open(emulator.book.page("shop"), parameters)
    return int(emulator.decide(link, "success").order_id)


def test_credentials_are_the_environments_else_those_of_tests() -> None:
    named = stripe({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1, whsec_2"}, WEBHOOKS, None, 1.0)
    assert isinstance(named, StripeEmulator)
    (endpoint,) = named.events.endpoints.values()
    assert (named.keys.secret, named.keys.publishable) == ("sk_test_1", "pk_test_emulator")
    assert endpoint.valid_secrets(0) == ["whsec_1"]

    page = prodamus({"PRODAMUS_SECRET_KEY": "first,second"}, None, None, 1.0)
    assert isinstance(page, ProdamusEmulator)
    assert page.book.page("shop").key == "first"


def test_a_live_key_is_refused() -> None:
    for key in ("sk_live_1", "rk_live_1"):
        with pytest.raises(LiveKeyError, match="live key"):
            stripe({"STRIPE_SECRET_KEY": key}, None, None, 1.0)


def test_a_stand_in_that_starts_again_numbers_its_orders_higher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merchant's database that outlives it would take the second of a number for the first."""
    runs = []
    for at in (1_800_000_000.0, 1_800_000_060.0):
        monkeypatch.setattr("time.time", lambda at=at: at)
        emulator = prodamus({}, None, None, 1.0)
        assert isinstance(emulator, ProdamusEmulator)
        runs.append(first_order(emulator))
    assert runs[0] < runs[1]
    assert isinstance(seeded := prodamus({}, None, 7, 1.0), ProdamusEmulator)
    assert first_order(seeded) == 300_155
