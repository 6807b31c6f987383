"""Which transfer a completed payment is, and which are none; the cursor; one question for many who ask."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.wallet.cursors import MalformedCursor, decode_cursor, encode_cursor
from services.wallet.domain import AccountKind, AccountName, Transfer, WalletError, credits
from services.wallet.references import CommittedReferences
from shared.contracts.base import utc_now
from shared.contracts.payment_events import PaymentCompleted
from shared.money import Money, UnknownCurrency

USER = AccountName(AccountKind.USER, "1")
CLEARING = AccountName(AccountKind.CLEARING, "mock")


def payment(**changes: object) -> PaymentCompleted:
    fields: dict[str, object] = {
        "correlation_id": "request-1",
        "payment_id": UUID(int=5),
        "user_id": "1",
        "provider": "mock",
        "amount_minor": 200_000,
        "currency": "rsd",
        "credit_reference": "mock:ch-1",
        "description": "Top-up",
        "completed_at": "2026-01-02T03:04:05Z",
    }
    return PaymentCompleted.model_validate(fields | changes)


def test_a_completed_payment_is_a_credit_from_the_providers_clearing_account() -> None:
    event = payment()
    assert credits(event) == (
        Transfer(
            reference="mock:ch-1",
            kind="deposit",
            source=CLEARING,
            target=USER,
            money=Money(200_000, "rsd"),
            payment_id=UUID(int=5),
            description="Top-up",
            correlation_id="request-1",
            occurred_at=event.completed_at,
        ),
    )


def test_a_session_is_paid_to_the_mentor_less_the_fee() -> None:
    net, fee = credits(payment(kind="payment", user_id="2", payer_id="1", amount_minor=1000, fee_minor=33))
    assert (net.reference, net.kind, net.source, net.target, net.money.amount_minor) == (
        "mock:ch-1", "payment", CLEARING, AccountName(AccountKind.USER, "2"), 967,
    )  # fmt: skip
    assert (fee.reference, fee.kind, fee.source, fee.target, fee.money.amount_minor) == (
        "mock:ch-1#1", "fee", CLEARING, AccountName(AccountKind.FEES, "platform"), 33,
    )  # fmt: skip


def test_an_order_is_the_platforms_revenue() -> None:
    (credit,) = credits(payment(kind="order", user_id=None))
    assert (credit.kind, credit.target) == ("payment", AccountName(AccountKind.REVENUE, "platform"))


def test_a_payment_from_the_balance_was_posted_as_it_was_commanded() -> None:
    assert credits(payment(kind="payment", provider="balance", user_id="2", payer_id="1")) == ()


@pytest.mark.parametrize("fee_minor", [200_000, 200_001])
def test_a_fee_that_leaves_nothing_is_no_credit(fee_minor: int) -> None:
    with pytest.raises(WalletError):
        credits(payment(kind="payment", fee_minor=fee_minor))


def test_a_currency_that_is_none_is_no_credit() -> None:
    with pytest.raises(UnknownCurrency):
        credits(payment(currency="zzz"))


@pytest.mark.parametrize(("source", "target", "amount"), [(USER, USER, 1), (CLEARING, USER, 0), (CLEARING, USER, -1)])
def test_a_transfer_moves_something_between_two(source: AccountName, target: AccountName, amount: int) -> None:
    with pytest.raises(WalletError):
        Transfer("mock:1", "deposit", source, target, Money(amount, "rsd"), None, "", "c", utc_now())


def test_a_cursor_is_read_back_as_it_was_given_out() -> None:
    versions = {"rsd": 12, "kwd": 2**63 - 1}
    assert decode_cursor(encode_cursor(versions)) == versions


NO_CURSORS = ("[]", '"rsd"', '{"rsd":0}', '{"rsd":true}', '{"rsd":1.5}', '{"rsd":"1"}', '{"RSD":1}', '{"rs":1}', f'{{"rsd":{2**63}}}')


@pytest.mark.parametrize("text", ["", "x", "💶", "AAAA", "e30", *(base64.urlsafe_b64encode(text.encode()).decode() for text in NO_CURSORS)])
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(MalformedCursor):
        decode_cursor(text)


async def test_hundreds_who_ask_at_once_cost_two_questions() -> None:
    """The first asks at once; all who come while its answer is on its way share the next."""
    asked: list[int] = []
    answering = asyncio.Event()

    async def look_up(references: Sequence[str]) -> set[str]:
        asked.append(len(references))
        await answering.wait()
        return {"r1", "r7"}

    committed = CommittedReferences(look_up)
    first = asyncio.create_task(committed.has("r0"))
    while not asked:
        await asyncio.sleep(0)
    others = [asyncio.create_task(committed.has(f"r{n % 200}")) for n in range(500)]
    await asyncio.sleep(0)
    answering.set()

    assert await first is False
    answers = await asyncio.gather(*others)
    assert asked == [1, 200]
    assert [n % 200 for n, answer in enumerate(answers) if answer] == [1, 7, 1, 7, 1, 7]


async def test_an_error_reaches_all_who_asked_and_the_next_asks_anew() -> None:
    failing = [True]

    async def look_up(references: Sequence[str]) -> set[str]:
        if failing[0]:
            raise ConnectionResetError
        return set(references)

    committed = CommittedReferences(look_up)
    results = await asyncio.gather(committed.has("a"), committed.has("a"), committed.has("b"), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionResetError] * 3
    failing[0] = False
    assert await committed.has("a") is True
