"""The guide's example on its own: it pays and credits, both books agree, and its check takes nobody else's word."""

from __future__ import annotations

import hashlib
import hmac

import httpx
import pytest

from services.gateway.signatures.base import Received, SignatureError
from shared.money import Money
from tests.contract.providers.kiosk.signature import TOLERANCE_SECONDS, verify
from tests.contract.providers.kiosk_stage import kiosk_stage
from tests.contract.providers.receiver import Receiver
from tests.contract.providers.world import provider_world, session_of
from tests.emulators.server import EmulatorServer

NOW = 1_800_000_000
BODY = b'{"id":"notification-000001"}'
SECRET = "kiosk-secret-of-this-test"


async def test_what_is_paid_at_kiosk_is_credited_and_both_books_agree(fresh_database_url: str) -> None:
    receiver = Receiver()
    async with EmulatorServer(receiver), kiosk_stage(receiver) as stage:
        receiver.checks[stage.name] = stage.check
        async with provider_world(fresh_database_url, stage, receiver) as world:
            for money in stage.sums:
                made = await world.deposit(money)
                await stage.pay(session_of(made))
                await world.arrive()
                assert await world.status(made) == "completed"
                assert await world.available(made) == money.amount_minor
            await world.books_agree()
            assert [charge.money for charge in await stage.charges()] == list(stage.sums)


async def test_a_person_can_click_through_its_page(fresh_database_url: str) -> None:
    receiver = Receiver()
    async with EmulatorServer(receiver), kiosk_stage(receiver) as stage:
        receiver.checks[stage.name] = stage.check
        async with provider_world(fresh_database_url, stage, receiver) as world, httpx.AsyncClient(trust_env=False) as browser:
            made = await world.deposit(Money(1_250, "eur"))
            assert "12.50 EUR" in (await browser.get(made.payment_url)).text
            for choice in ("decline", "pay_3ds", "fail_3ds", "close"):
                answer = await browser.post(made.payment_url, data={"choice": choice})
                assert answer.status_code in (200, 303)
                assert "Nothing to pay" not in (await browser.get(made.payment_url)).text
            answer = await browser.post(made.payment_url, data={"choice": "pay"})
            assert answer.headers["location"].startswith(f"{receiver.base_url}/en/balance/deposit/success?")
            await world.arrive()
            assert await world.status(made) == "completed"


def signed(secret: str = SECRET, at: int = NOW, body: bytes = BODY) -> list[tuple[bytes, bytes]]:
    digest = hmac.new(secret.encode(), str(at).encode() + b"." + body, hashlib.sha256).hexdigest()
    return [(b"content-type", b"application/json"), (b"kiosk-signature", f"t={at},s={digest}".encode())]


@pytest.mark.parametrize("late_seconds", [-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS])
def test_what_any_of_its_secrets_signed_just_now_is_taken_byte_for_byte(late_seconds: int) -> None:
    event = verify(Received(signed(), BODY), ("the-newer-secret", SECRET), NOW + late_seconds)
    assert event.body == BODY
    assert set(event.headers) == {"content-type", "kiosk-signature"}


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        (signed("somebody-else's"), BODY, "forged"),
        (signed(), BODY + b" ", "forged"),
        (signed(at=NOW - TOLERANCE_SECONDS - 1), BODY, "stale"),
        (signed(at=NOW + TOLERANCE_SECONDS + 1), BODY, "stale"),
        ([*signed(), signed()[1]], BODY, "repeated_header"),
        (signed()[:1], BODY, "missing_header"),
        ([signed()[0], (b"kiosk-signature", b"t=1800000000,s=")], BODY, "garbled_header"),
        ([(b"content-type", b"text/plain"), signed()[1]], BODY, "content_type"),
        ([*signed(), (b"content-encoding", b"gzip")], BODY, "content_encoding"),
    ],
)
def test_nobody_elses_word_is_taken(headers: list[tuple[bytes, bytes]], body: bytes, why: str) -> None:
    with pytest.raises(SignatureError, match=f"^{why}$"):
        verify(Received(headers, body), (SECRET,), NOW)
