"""AllSecure's client and the machine around it: no proxy of the environment, no redirect, and a log without secrets and payers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from services.payments.providers.allsecure.client import AllSecureClient, Credentials
from services.payments.providers.allsecure.messages import Absent
from services.payments.providers.base import Payer, Unavailable
from tests.contract.allsecure_world import payment_of
from tests.unit.test_allsecure_answers import MADE, adapter, refusal, response, says

NOT_FOUND = b'{"success":false,"errorMessage":"Transaction not found","errorCode":8001}'
SECRETS = ("user-of-these-tests", "key-of-these-tests", "password-of-these-tests", "secret-of-these-tests")
PAYER = Payer("payer@example.org", "+381601234567")


async def test_neither_a_proxy_of_the_environment_nor_where_a_redirect_leads_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str, head: str) -> None:
        asked_of.append(who)
        await reader.readuntil(b"\r\n\r\n")
        body = NOT_FOUND if head == "200 OK" else b""
        writer.write(f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(lambda r, w: answer(r, w, "elsewhere", "200 OK"), "127.0.0.1", 0) as elsewhere,
        await asyncio.start_server(lambda r, w: answer(r, w, "proxy", "200 OK"), "127.0.0.1", 0) as proxy,
    ):
        away, proxy_url = (f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (elsewhere, proxy))
        heads = ["200 OK", f"302 Found\r\nlocation: {away}/"]
        async with await asyncio.start_server(lambda r, w: answer(r, w, "allsecure", heads.pop(0)), "127.0.0.1", 0) as server:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy_url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            client = AllSecureClient(Credentials(url, *SECRETS))
            told = [await client.ask("ord-42", client.until()) for _ in range(2)]
            await client.close()
    assert isinstance(told[0], Absent)
    assert not isinstance(told[1], Absent), "a redirect is no answer"
    assert asked_of == ["allsecure", "allsecure"]


async def test_logs_say_what_happened_and_hold_neither_secrets_nor_payers(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    declined = MADE | {"success": False, "returnType": "ERROR", "customer": {"email": PAYER.email}}
    answers: list[Any] = [response(200, declined), response(400, refusal(1002)), response(401, b""), httpx.ReadTimeout("slow")]
    # What the services let libraries say: httpx tells addresses, with the connector's key in them, to whoever wants more.
    with caplog.at_level(logging.WARNING), capture_logs() as logs:
        for answer in answers:
            asked: list[httpx.Request] = []

            def give(request: httpx.Request, answer: Any = answer, asked: list[httpx.Request] = asked) -> httpx.Response:
                asked.append(request)
                if isinstance(answer, Exception) or request.method == "GET":
                    raise httpx.ReadTimeout("slow")
                assert isinstance(answer, httpx.Response)
                return answer

            client = AllSecureClient(Credentials("https://asx.example", *SECRETS), transport=httpx.MockTransport(give))
            await client.transact("debit", {"merchantTransactionId": "a", "customer": {"email": PAYER.email}}, client.until())
            await client.close()
            assert PAYER.email is not None
            assert PAYER.email.encode() in asked[0].content
    told = f"{logs}{caplog.text}{capsys.readouterr()}"
    assert {log["log_level"] for log in logs} == {"info", "warning", "error"}
    assert not [secret for secret in (*SECRETS, str(PAYER.email), "Basic ") if secret in told]


async def test_credentials_that_are_refused_are_an_error_in_the_log_at_once() -> None:
    with capture_logs() as logs:
        async with adapter(says(400, refusal(1004, "Signature invalid"))) as (_, provider):
            assert isinstance(await provider.create(payment_of(), Payer(), again=False), Unavailable)
    assert [log["log_level"] for log in logs].count("error") == 1
