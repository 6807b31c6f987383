"""How a request to Stripe ends: what is tried again and how often, what is an explicit no, and what nobody may draw a conclusion from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
import stripe
from prometheus_client import REGISTRY
from pydantic import BaseModel
from structlog.testing import capture_logs

from services.payments.providers.stripe import client as stripe_client
from services.payments.providers.stripe.client import API_VERSION, NoAnswer, NotServed, SaidNo, StripeApi
from services.payments.providers.stripe.objects import Intent
from tests.unit.stripe_doubles import KEY, Answer, Wire, an_api, an_intent, refusal


class Found(BaseModel):
    id: str


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_client, "_FIRST_DELAY_SECONDS", 0.0)


def cut() -> Exception:
    return httpx.ReadError("cut")


async def asked(*answers: Answer) -> tuple[str, Wire]:
    """How a POST under a key of ours ends, and what went over the wire for it."""
    async with an_api(*answers) as (api, wire):
        request = partial(api.v1.refunds.create_async, {"payment_intent": "pi_1"}, {"idempotency_key": "our-key"})
        try:
            return (await api.call("refund", Found, request)).id, wire
        except (SaidNo, NotServed, NoAnswer) as end:
            return type(end).__name__, wire


@pytest.mark.parametrize(
    ("failure", "end", "requests"),
    [
        (lambda: refusal(400, "charge_already_refunded"), "SaidNo", 1),
        (lambda: refusal(402, "card_declined", "card_error"), "SaidNo", 1),
        (lambda: refusal(404, "resource_missing"), "SaidNo", 1),
        (lambda: refusal(400, kind="idempotency_error"), "NoAnswer", 1),
        (lambda: refusal(401), "NotServed", 1),
        (lambda: refusal(403), "NotServed", 1),
        (lambda: refusal(429, "rate_limit"), "NotServed", 3),
        (lambda: refusal(429, "lock_timeout"), "NotServed", 3),
        (lambda: refusal(400, "rate_limit"), "NotServed", 3),
        (lambda: refusal(409, "idempotency_key_in_use"), "NoAnswer", 3),
        (lambda: refusal(500, kind="api_error"), "NoAnswer", 3),
        (lambda: refusal(503, kind="api_error"), "NoAnswer", 3),
        (lambda: httpx.ConnectError("refused"), "NoAnswer", 3),
        (lambda: httpx.ReadTimeout("slow"), "NoAnswer", 3),
        (cut, "NoAnswer", 3),
    ],
)
async def test_each_way_to_fail(failure: Callable[[], Answer], end: str, requests: int) -> None:
    ended, wire = await asked(failure())
    assert (ended, len(wire.asked)) == (end, requests)
    assert wire.keys == ["our-key"] * requests


@pytest.mark.parametrize("failure", [lambda: refusal(429), lambda: refusal(409), lambda: refusal(500), cut])
async def test_what_passes_is_got_over_under_the_same_key(failure: Callable[[], Answer]) -> None:
    ended, wire = await asked(failure(), failure(), {"id": "re_1"})
    assert ended == "re_1"
    assert wire.keys == ["our-key"] * 3
    assert len({request.content for request in wire.asked}) == 1


async def test_too_many_requests_after_a_cut_prove_nothing() -> None:
    ended, _ = await asked(cut(), refusal(429))
    assert ended == "NoAnswer"


async def test_a_refused_key_after_a_cut_proves_nothing() -> None:
    ended, _ = await asked(cut(), refusal(401))
    assert ended == "NoAnswer"


async def test_stripe_may_forbid_another_try_or_ask_for_one() -> None:
    ended, wire = await asked(refusal(500, stripe_should_retry="false"))
    assert (ended, len(wire.asked)) == ("NoAnswer", 1)
    ended, wire = await asked(refusal(400, "lock_timeout", stripe_should_retry="true"), {"id": "re_1"})
    assert (ended, wire.keys) == ("re_1", ["our-key"] * 2)
    ended, wire = await asked(refusal(400, stripe_should_retry="true"))
    assert (ended, len(wire.asked)) == ("NoAnswer", 3), "no is not what it says"


async def test_a_kept_failure_is_not_asked_for_again() -> None:
    async with an_api(refusal(500), refusal(500, idempotent_replayed="true")) as (api, wire):
        with pytest.raises(NoAnswer) as silence:
            await api.call("find", Found, partial(api.v1.payment_intents.retrieve_async, "pi_1"))
    assert silence.value.kept
    assert len(wire.asked) == 2


@pytest.mark.parametrize(("retry_after", "requests"), [("0", 3), ("6", 1), ("100000", 1), ("soon", 3)])
async def test_a_wait_that_stripe_asks_for_is_kept_to_or_not_begun(retry_after: str, requests: int) -> None:
    ended, wire = await asked(refusal(429, retry_after=retry_after))
    assert (ended, len(wire.asked)) == ("NotServed", requests)


async def test_the_wait_is_as_long_as_stripe_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    await asked(refusal(429, retry_after="2"))
    assert waited == [2.0, 2.0]


async def test_it_does_not_begin_what_it_has_no_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_client, "CALL_SECONDS", 1.0)
    ended, wire = await asked(refusal(429, retry_after="4"))
    assert (ended, len(wire.asked)) == ("NotServed", 1)


async def test_an_answer_that_takes_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_client, "CALL_SECONDS", 0.05)

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    api = StripeApi(KEY, "http://127.0.0.1:1", transport=Hanging())
    with pytest.raises(NoAnswer):
        await api.call("find", Found, partial(api.v1.payment_intents.retrieve_async, "pi_1"))
    await api.close()


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (httpx.Response(200, text="<html>"), "NoAnswer"),
        (httpx.Response(200, json=["re_1"]), "NoAnswer"),
        (httpx.Response(200, json={"object": "refund"}), "NoAnswer"),
        (httpx.Response(200, json={"id": 7, "object": ["refund"]}), "NoAnswer"),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), "NoAnswer"),
        (httpx.Response(400, text="<html>Bad request</html>"), "NoAnswer"),
        (httpx.Response(404, json={"detail": "not found"}), "NoAnswer"),
        (httpx.Response(400, json={"error": "invalid_client"}), "NoAnswer"),
        (httpx.Response(429, text="slow down", headers={"retry-after": "60"}), "NotServed"),
        (httpx.Response(502, text="<html>Bad gateway</html>"), "NoAnswer"),
        (httpx.Response(200, content=b'{"id": "re_1", "more": "' + b"x" * 1_100_000 + b'"}'), "NoAnswer"),
    ],
)
async def test_what_is_no_answer_of_stripes_is_no_answer(answer: httpx.Response, end: str) -> None:
    ended, wire = await asked(answer)
    assert ended == end
    assert {request.url.host for request in wire.asked} == {"127.0.0.1"}


async def test_every_request_names_the_version_that_we_read() -> None:
    _, wire = await asked({"id": "re_1"})
    assert wire.asked[0].headers["stripe-version"] == API_VERSION


def test_the_version_is_the_pinned_librarys_own() -> None:
    assert stripe.api_version == API_VERSION


async def test_nothing_is_measured_behind_our_back() -> None:
    async with an_api(an_intent()) as (api, wire):
        for _ in range(2):
            await api.call("find", Found, partial(api.v1.payment_intents.retrieve_async, "pi_1"))
    assert "telemetry_id" not in wire.asked[0].headers["x-stripe-client-user-agent"]
    assert "x-stripe-client-telemetry" not in wire.asked[1].headers


async def test_a_call_that_would_block_the_loop_is_none() -> None:
    async with an_api({"id": "pi_1"}) as (api, wire):
        with pytest.raises(NotImplementedError):
            api.v1.payment_intents.retrieve("pi_1")
    assert not wire.asked


def test_each_event_loop_has_a_client_of_its_own() -> None:
    """Built by whoever runs the loop; importing makes none that two of them could share."""

    async def ask() -> str:
        async with an_api({"id": "pi_1"}) as (api, _):
            return (await api.call("find", Found, partial(api.v1.payment_intents.retrieve_async, "pi_1"))).id

    assert [asyncio.run(ask()) for _ in range(2)] == ["pi_1", "pi_1"]
    assert not [value for value in vars(stripe_client).values() if isinstance(value, (httpx.AsyncClient, stripe.StripeClient, StripeApi))]


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> None:
        asked_of.append(who)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"id": "pi_1"}')
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(lambda r, w: answer(r, w, "stripe"), "127.0.0.1", 0) as server,
        await asyncio.start_server(lambda r, w: answer(r, w, "proxy"), "127.0.0.1", 0) as proxy,
    ):
        url, proxy_url = (f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (server, proxy))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy_url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        api = StripeApi(KEY, url)
        found = await api.call("find", Found, partial(api.v1.payment_intents.retrieve_async, "pi_1"))
        await api.close()
    assert (found.id, asked_of) == ("pi_1", ["stripe"])


async def test_logs_name_the_request_and_no_secret(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    secret = an_intent(client_secret="pi_1_secret_x", receipt_email="payer@example.org", amount="not a number")
    failures: list[Answer] = [refusal(400, "email_invalid"), secret, refusal(401)]
    with caplog.at_level(logging.DEBUG), capture_logs() as logs:
        for failure in failures:
            async with an_api(failure) as (api, _):
                params: Any = {"amount": 1, "currency": "eur", "receipt_email": "payer@example.org"}
                with pytest.raises((SaidNo, NotServed, NoAnswer)):
                    await api.call("create", Intent, partial(api.v1.payment_intents.create_async, params), payment_id="p1")
    told = f"{logs}{caplog.text}{capsys.readouterr()}"
    assert "req_unit" in told
    assert "p1" in told
    assert not any(secret in told for secret in ("_secret_", "payer@example.org", KEY))


async def test_calls_are_counted_by_what_came_of_them() -> None:
    def counted(outcome: str) -> float:
        labels = {"provider": "stripe", "operation": "refund", "outcome": outcome}
        return REGISTRY.get_sample_value("purser_provider_calls_total", labels) or 0.0

    before = {outcome: counted(outcome) for outcome in ("ok", "refused", "credentials", "rate_limited", "unknown")}
    await asked(refusal(429), cut(), {"id": "re_1"})
    await asked(refusal(400, "amount_too_large"))
    await asked(refusal(403))
    risen = {outcome: counted(outcome) - count for outcome, count in before.items()}
    assert risen == {"ok": 1, "refused": 1, "credentials": 1, "rate_limited": 1, "unknown": 1}


@pytest.mark.parametrize(("key", "live"), [("sk_test_1", False), ("rk_test_1", False), ("sk_live_1", True), ("rk_live_1", True)])
async def test_the_key_tells_whether_the_money_is_real(key: str, live: bool) -> None:
    async with an_api({}, key=key) as (api, _):
        assert api.live is live
