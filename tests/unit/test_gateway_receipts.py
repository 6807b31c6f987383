"""Receipts and CSRF tokens: made by us for one caller and one thing, and for nothing else; both survive a rolled SECRET_KEY."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.gateway import receipts
from services.gateway.auth import Gate
from services.gateway.login_limit import WINDOW_SECONDS, FailureLimit
from services.gateway.rate_limit import RateLimit
from shared.keys import Keys

OLD, NEW = "an old secret that is long enough 0123456789", "a new secret that is long enough 01234567890"
DEADLINE = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ISSUED = {"resource_id": "payment-1", "caller": "user:1"}


def test_a_receipt_tells_its_deadline() -> None:
    keys = Keys((OLD,))
    assert receipts.verified_deadline(keys, receipts.sign(keys, deadline=DEADLINE, **ISSUED), **ISSUED) == DEADLINE


def test_a_receipt_survives_a_rolled_key_until_the_old_one_is_gone() -> None:
    receipt = receipts.sign(Keys((OLD,)), deadline=DEADLINE, **ISSUED)
    assert receipts.verified_deadline(Keys((NEW, OLD)), receipt, **ISSUED) == DEADLINE
    assert receipts.verified_deadline(Keys((NEW,)), receipt, **ISSUED) is None


@pytest.mark.parametrize("other", [{"resource_id": "payment-2"}, {"caller": "user:2"}])
def test_a_receipt_is_nobody_elses(other: dict[str, str]) -> None:
    keys = Keys((OLD,))
    assert receipts.verified_deadline(keys, receipts.sign(keys, deadline=DEADLINE, **ISSUED), **{**ISSUED, **other}) is None


def test_a_receipt_cannot_be_prolonged_or_garbled() -> None:
    keys = Keys((OLD,))
    receipt = receipts.sign(keys, deadline=DEADLINE, **ISSUED)
    seconds, _, signature = receipt.partition(".")
    later = receipts.sign(keys, deadline=DEADLINE + timedelta(days=1), **ISSUED).partition(".")[0]
    garbled = [
        f"{later}.{signature}",
        f"{seconds}.{signature[:-1]}",
        seconds,
        "",
        ".",
        f"{receipt}.",
        f"-{receipt}",
        "9" * 400 + f".{signature}",
        "ž.ž",
    ]
    assert [receipts.verified_deadline(keys, one, **ISSUED) for one in garbled] == [None] * len(garbled)


def gate(*secrets: str) -> Gate:
    verifier: Any = None
    return Gate(verifier, Keys(secrets), RateLimit("user", 1, 1))


def test_a_csrf_token_belongs_to_one_cookie() -> None:
    csrf = gate(OLD).csrf_token("token-1")
    assert gate(OLD).is_csrf_token("token-1", csrf)
    assert gate(NEW, OLD).is_csrf_token("token-1", csrf)
    assert not gate(OLD).is_csrf_token("token-2", csrf)
    assert not gate(NEW).is_csrf_token("token-1", csrf)
    assert not any(gate(OLD).is_csrf_token("token-1", wrong) for wrong in ("", "token-1", csrf[:-1], "ž", csrf + "A"))


def test_failures_are_counted_for_a_minute() -> None:
    now = [100.0]
    limit = FailureLimit(3, clock=lambda: now[0])
    for _ in range(3):
        assert limit.wait_seconds("a") == 0
        limit.failed("a")
    now[0] += 10
    assert limit.wait_seconds("a") == pytest.approx(WINDOW_SECONDS - 9)
    assert limit.wait_seconds("b") == 0
    now[0] += WINDOW_SECONDS
    assert limit.wait_seconds("a") == 0
    limit.failed("a")
    assert limit.wait_seconds("a") == 0


def test_failures_are_bounded_in_memory() -> None:
    limit = FailureLimit(1, clock=lambda: 1.0)
    for n in range(10_050):
        limit.failed(str(n))
    assert (limit.wait_seconds("0"), limit.wait_seconds("10049") > 0) == (0, True)
