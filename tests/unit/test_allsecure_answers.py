"""What AllSecure's answers lead to: only what is explicit is success or failure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.payments.domain.facts import Closed, Declined, Paid
from services.payments.domain.return_pages import ReturnPages
from services.payments.providers.allsecure.adapter import LOST_ADDRESS, AllSecureProvider
from services.payments.providers.allsecure.client import AllSecureClient, Credentials
from services.payments.providers.allsecure.outgoing import AllSecurePayouts, AllSecureRefunds
from services.payments.providers.base import Accepted, Open, Payer, PayoutDeclined, RefundDeclined, Rejected, Unavailable, Unknown
from tests.contract.allsecure_world import payment_of, payout_to, refund_of

Answers = Callable[[httpx.Request], httpx.Response]
FOUND = {"success": True, "uuid": "abc", "transactionType": "DEBIT", "amount": "9.99", "currency": "EUR"}
MADE = {"success": True, "uuid": "abc", "purchaseId": "20261120-abc"}
UNKNOWN_ID = {"success": False, "errorMessage": "Transaction not found", "errorCode": 8001}


@asynccontextmanager
async def adapter(answer: Answers, **bounds: Any) -> AsyncIterator[tuple[AllSecureClient, AllSecureProvider]]:
    async def at_once(_: float) -> None:
        pass

    credentials = Credentials("https://asx.example", "user", "key", "password", "secret")
    client = AllSecureClient(credentials, transport=httpx.MockTransport(answer), pause=at_once, **bounds)
    yield client, AllSecureProvider(client, ReturnPages("https://pay.example.org"), callback_url="https://pay.example.org/c")
    await client.close()


def says(status: int, body: Any, *, then: Any = None) -> Answers:
    """`then`: of the status API, with the reference that it was asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            reference = request.url.path.rpartition("/")[2]
            return response(404, UNKNOWN_ID) if then is None else response(200, {"merchantTransactionId": reference} | then)
        return response(status, body)

    return answer


def response(status: int, body: Any, **headers: str) -> httpx.Response:
    """Not read yet, as one from a wire."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def refusal(code: int | str, message: str = "no") -> dict[str, Any]:
    return {"success": False, "errorMessage": message, "errorCode": code}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, MADE | {"returnType": "HTML", "htmlContent": "<form>"}, Rejected),
        (200, MADE | {"returnType": "PENDING_DCC"}, Rejected),
        (200, MADE | {"returnType": "REDIRECT", "redirectUrl": "javascript:alert(1)"}, Rejected),
        (200, MADE | {"returnType": "ERROR"}, Rejected),
        (200, MADE | {"success": False, "returnType": "ERROR", "errors": [{"message": "Declined", "code": "2003"}]}, Rejected),
        (200, refusal(1002), Rejected),
        (400, refusal(2003), Rejected),
        (400, {"success": False, "message": "no", "code": "4001"}, Rejected),
        (400, refusal(1004), Unavailable),
        (400, refusal(1000), Unavailable),
        (200, refusal(1009), Unavailable),
        (503, refusal(1010), Unavailable),
        (401, b"", Unavailable),
        (403, b"<html>", Unavailable),
        (429, b"", Unavailable),
        (400, refusal(1003), Unknown),
        (200, refusal(9999), Unknown),
        (200, {"success": False}, Unknown),
        (500, refusal(1002), Unknown),
        (500, refusal(1004), Unknown),
        (200, MADE | {"success": False, "returnType": "FINISHED"}, Unknown),
        (200, {"success": True, "returnType": "FINISHED"}, Unknown),
        (200, MADE | {"returnType": "FINISHED", "uuid": "../../etc"}, Unknown),
        (200, b"OK", Unknown),
        (200, b"[]", Unknown),
        (200, b"\xff{}", Unknown),
        (200, b"[" * 100_000, Unknown),
        (302, b"", Unknown),
        (404, b"<html>", Unknown),
        (504, b"<html>", Unknown),
        (522, b"", Unknown),
    ],
)  # fmt: skip
async def test_what_a_debits_answer_leads_to(status: int, body: Any, expected: type[object]) -> None:
    async with adapter(says(status, body)) as (_, provider):
        assert isinstance(await provider.create(payment_of(), Payer(), again=False), expected)


@pytest.mark.parametrize("kind", ["FINISHED", "PENDING"])
async def test_without_a_page_of_theirs_the_payer_goes_to_ours(kind: str) -> None:
    payment = payment_of()
    async with adapter(says(200, MADE | {"returnType": kind})) as (_, provider):
        created = await provider.create(payment, Payer(), again=False)
    assert isinstance(created, Accepted)
    assert created.payment_url == ReturnPages("https://pay.example.org").success(payment)
    assert created.provider_reference == "abc"


@pytest.mark.parametrize(
    ("status", "url", "expected"),
    [
        ("SUCCESS", None, Accepted),
        ("PENDING", None, Accepted),
        ("REDIRECT", "https://asx.example/pay/abc", Accepted),
        ("REDIRECT", None, Rejected),
        ("ERROR", None, Rejected),
        ("CANCELLED", None, Rejected),
        ("SOMETHING", None, Unknown),
    ],
)
async def test_what_becomes_of_a_debit_whose_answer_was_lost(status: str, url: str | None, expected: type[object]) -> None:
    then = FOUND | {"transactionStatus": status, "redirectUrl": url}
    for body, code in ((b"", 504), (refusal(3004), 400)):
        async with adapter(says(code, body, then=then)) as (_, provider):
            created = await provider.create(payment_of(), Payer(), again=False)
        assert isinstance(created, expected)
        if url is not None:
            assert getattr(created, "payment_url", None) == url
        if (status, url) == ("REDIRECT", None):
            assert created == Rejected(LOST_ADDRESS)


async def test_a_duplicate_that_nobody_knows_is_a_contradiction_and_decides_nothing() -> None:
    async with adapter(says(400, refusal(3004))) as (_, provider):
        assert await provider.create(payment_of(), Payer(), again=False) == Unknown()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"transactionStatus": "SUCCESS"}, Paid),
        ({"transactionStatus": "SUCCESS", "success": False}, Paid),
        ({"transactionStatus": "SUCCESS", "amount": 9.99}, Paid),
        ({"transactionStatus": "SUCCESS", "chargebackData": {"originalUuid": "abc", "amount": 9.99}}, Paid),
        ({"transactionStatus": "ERROR"}, Declined),
        ({"transactionStatus": "ERROR", "errors": [{"errorCode": 2003}]}, Declined),
        ({"transactionStatus": "ERROR", "errors": [{"code": "2002"}]}, Closed),
        ({"transactionStatus": "ERROR", "errors": [{"errorCode": 2005}]}, Closed),
        ({"transactionStatus": "CANCELLED"}, Closed),
        ({"transactionStatus": "REDIRECT"}, Open),
        ({"transactionStatus": "PENDING"}, Open),
        ({"transactionStatus": "NEW"}, Unknown),
        ({}, Unknown),
        ({"transactionStatus": "SUCCESS", "amount": "9.999"}, Unknown),
        ({"transactionStatus": "SUCCESS", "amount": None}, Unknown),
        ({"transactionStatus": "SUCCESS", "uuid": None}, Unknown),
        ({"transactionStatus": "SUCCESS", "transactionType": "REFUND"}, Unknown),
        ({"transactionStatus": "SUCCESS", "merchantTransactionId": "another"}, Unknown),
    ],
)
async def test_what_the_status_apis_answer_says_of_a_payment(told: dict[str, Any], expected: type[object]) -> None:
    async with adapter(says(200, b"", then=FOUND | told)) as (_, provider):
        assert isinstance(await provider.find(payment_of()), expected)


@pytest.mark.parametrize(("status", "body"), [(200, UNKNOWN_ID), (404, UNKNOWN_ID), (400, {"success": False, "code": "8001"})])
async def test_an_unknown_id_has_not_arrived_so_far(status: int, body: dict[str, Any]) -> None:
    async with adapter(lambda _: response(status, body)) as (_, provider):
        assert await provider.find(payment_of()) == Open(expired=False)


@pytest.mark.parametrize(
    ("status", "body"), [(500, UNKNOWN_ID), (404, {}), (404, {"success": False}), (200, {"success": False, "errorCode": 1002})]
)
async def test_everything_else_tells_nothing(status: int, body: dict[str, Any]) -> None:
    async with adapter(lambda _: response(status, body)) as (_, provider):
        assert await provider.find(payment_of()) == Unknown()


async def test_their_words_are_shown_in_one_short_line_and_the_banks_are_not() -> None:
    error = {"errorMessage": "Not\x00 \u202e good\n" + "x" * 500, "errorCode": 2003, "adapterMessage": "stolen card, pick up"}
    async with adapter(says(200, MADE | {"success": False, "returnType": "ERROR", "errors": [error]})) as (client, provider):
        created = await provider.create(payment_of(), Payer(), again=False)
        assert created == Rejected(f"Not good {'x' * 191}")
        declined = await AllSecureRefunds(client, callback_url="https://c").refund(refund_of(payment_of(), "abc"))
        assert declined == RefundDeclined(f"Not good {'x' * 191}")
        not_paid = await AllSecurePayouts(client, callback_url="https://c").pay_out(payout_to("abc"))
        assert not_paid == PayoutDeclined(f"Not good {'x' * 191}")


async def test_answers_without_end_and_compressed_ones_are_not_read() -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" " * 65_536

    async with adapter(lambda _: httpx.Response(200, stream=Endless())) as (_, provider):
        assert await provider.find(payment_of()) == Unknown()
    async with adapter(lambda _: response(404, UNKNOWN_ID, **{"content-encoding": "gzip"})) as (_, provider):
        assert await provider.find(payment_of()) == Unknown()


async def test_a_call_has_an_end_with_all_its_retries_and_questions() -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    began = asyncio.get_running_loop().time()
    answer: Any = never
    async with adapter(answer, answer_seconds=0.05, call_seconds=0.08) as (_, provider):
        assert await provider.create(payment_of(), Payer(), again=False) == Unknown()
    assert asyncio.get_running_loop().time() - began < 5
