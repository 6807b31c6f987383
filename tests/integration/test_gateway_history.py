"""What has been, as the gateway asks for it: who may ask what, how pages lead on, and logins that are told without being waited for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shared.contracts.audit import AuditPage, ListAudit, LoginRecorded
from shared.contracts.base import new_id
from shared.contracts.history import GetTimeline, ListedPayment, ListPayments, PaymentList, TimelineView
from shared.contracts.queries import MAX_REFERENCES, ListTransfers, TransfersView
from shared.contracts.topology import PAYMENTS_AUDIT
from shared.delivery.envelopes import Unpacker
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused, silent

HISTORY = "/api/v1/payments/history"
AUDIT = "/api/v1/audit"
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=1.0) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


def a_payment() -> ListedPayment:
    return ListedPayment(
        payment_id=new_id(),
        session_id=new_id(),
        user_id="1",
        mentor_id=None,
        coaching_session_id=None,
        kind="deposit",
        method="mock",
        status="completed",
        amount_minor=100,
        currency="rsd",
        credit_reference="mock:ch_1",
        description="",
        created_at=NOON,
        updated_at=NOON,
    )


def lists(world: World, next_cursor: str | None = None) -> None:
    async def answer(_: ListPayments) -> PaymentList:
        return PaymentList(items=(a_payment(),), next_cursor=next_cursor)

    world.stand_ins.answers[ListPayments] = answer


async def asks(world: World, **parameters: Any) -> ListPayments:
    """What the gateway asks payments for these parameters."""
    assert (await world.get(HISTORY, **parameters)).status_code == 200
    asked: ListPayments = world.stand_ins.asked_of(ListPayments)[-1]
    return asked


async def as_admin(world: World, path: str, **parameters: Any) -> httpx.Response:
    return await world.http.get(path, params=parameters, headers=bearer("9", roles=["admin"]))


async def test_the_list_is_bare_and_leads_on_by_link_and_cursor(world: World) -> None:
    lists(world, "next-one")
    page = await world.get(HISTORY, limit=1, status="completed", since="2026-01-01T00:00:00Z", external_id="a&b=ü", skip=0)
    assert (page.status_code, len(page.json())) == (200, 1)
    assert page.headers["X-Next-Cursor"] == "next-one"
    match = re.fullmatch(r'<(.+)>; rel="next"', page.headers["Link"])
    assert match is not None
    url = urlsplit(match[1])
    assert f"{url.scheme}://{url.netloc}{url.path}" == world.settings.public_url + HISTORY
    assert {name: value for name, (value,) in parse_qs(url.query).items()} == {
        "limit": "1",
        "status": "completed",
        "since": "2026-01-01T00:00:00Z",
        "external_id": "a&b=ü",
        "cursor": "next-one",
    }
    followed = await world.http.get(f"{url.path}?{url.query}", headers=bearer())
    assert followed.status_code == 200
    first, second = world.stand_ins.asked_of(ListPayments)
    same = ("user_id", "status", "since", "until", "external_id", "limit", "skip")
    assert [getattr(first, name) for name in same] == [getattr(second, name) for name in same]
    assert (first.cursor, second.cursor) == (None, "next-one")


async def test_the_last_page_leads_nowhere(world: World) -> None:
    lists(world)
    page = await world.get(HISTORY)
    assert {"link", "x-next-cursor"} & set(page.headers) == set()


async def test_one_asks_for_ones_own_and_only_an_admin_for_all(world: World) -> None:
    lists(world)
    assert (await asks(world)).user_id == "1"
    assert (await asks(world, all="false")).user_id == "1"
    forbidden = [
        await world.get(HISTORY, all="true"),
        await world.http.get(HISTORY, params={"all": "true"}, headers=bearer("2", roles=["mentor"])),
        await world.get(AUDIT),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in forbidden] == [(403, "forbidden")] * 3
    assert (await as_admin(world, HISTORY)).status_code == 200
    assert (await as_admin(world, HISTORY, all="true")).status_code == 200
    assert [asked.user_id for asked in world.stand_ins.asked_of(ListPayments)[-2:]] == ["9", None]


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 101},
        {"limit": 0},
        {"skip": -1},
        {"skip": 100_001},
        {"skip": 1, "cursor": "x"},
        {"status": "paid"},
        {"since": "yesterday"},
        {"until": "2026-01-31"},
        {"external_id": ""},
        {"external_id": "\x00"},
        {"external_id": "x" * 256},
        {"cursor": "not\nours"},
        {"all": "perhaps"},
    ],
)
async def test_what_cannot_be_asked_is_422_by_its_name(world: World, parameters: dict[str, Any]) -> None:
    answer = await world.get(HISTORY, **parameters)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["loc"][0] == "query"
    assert answer.json()["errors"][0]["loc"][1] in parameters
    assert world.stand_ins.asked_of(ListPayments) == []


async def test_history_is_no_payments_id_and_a_foreign_cursor_is_told(world: World) -> None:
    async def not_ours(question: ListPayments) -> Any:
        return refused("invalid_cursor", question)

    world.stand_ins.answers[ListPayments] = not_ours
    answer = await world.get(HISTORY, cursor="foreign")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_silence_is_503_for_a_list_for_the_log_and_for_a_timeline_without_the_ledger(world: World) -> None:
    async def view(question: GetTimeline) -> TimelineView:
        return TimelineView(payment_id=new_id(), steps=(), references=("mock:ch_1",))

    world.stand_ins.answers |= {ListPayments: silent, ListAudit: silent, GetTimeline: view, ListTransfers: silent}
    answers = await asyncio.gather(world.get(HISTORY), as_admin(world, AUDIT), world.get(f"/api/v1/payments/{new_id()}/timeline"))
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "no_answer")] * 3


async def test_a_timeline_asks_the_ledger_for_every_reference_in_bounded_questions(world: World) -> None:
    references = tuple(f"refund:{n}" for n in range(MAX_REFERENCES + 1))

    async def view(_: GetTimeline) -> TimelineView:
        return TimelineView(payment_id=new_id(), steps=(), references=references, truncated=True)

    async def nothing(_: ListTransfers) -> TransfersView:
        return TransfersView(transfers=())

    world.stand_ins.answers |= {GetTimeline: view, ListTransfers: nothing}
    answer = await world.get(f"/api/v1/payments/{new_id()}/timeline")
    assert (answer.status_code, answer.json()["items"], answer.json()["truncated"]) == (200, [], True)
    assert tuple(name for asked in world.stand_ins.asked_of(ListTransfers) for name in asked.references) == references
    (asked,) = world.stand_ins.asked_of(GetTimeline)
    assert (asked.viewer_user_id, asked.viewer_is_admin) == ("1", False)


async def test_a_timeline_of_nothing_that_one_may_know_of_is_404(world: World) -> None:
    async def unknown(question: GetTimeline) -> Any:
        return refused("payment_not_found", question)

    world.stand_ins.answers[GetTimeline] = unknown
    for path in (f"{new_id()}/timeline", "x/timeline", "%20/timeline", f"{'x' * 101}/timeline"):
        answer = await world.get(f"/api/v1/payments/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "payment_not_found"), path


async def test_the_audit_log_is_searched_as_asked(world: World) -> None:
    async def page(_: ListAudit) -> AuditPage:
        return AuditPage(items=(), next_cursor="more")

    world.stand_ins.answers[ListAudit] = page
    answer = await as_admin(
        world,
        AUDIT,
        actor="user:9",
        action="withdrawal.approve",
        resource="withdrawal:1",
        since="2026-01-31T12:00:00Z",
        limit=5,
        cursor="c",
    )
    assert answer.json() == {"items": [], "next_cursor": "more"}
    (asked,) = world.stand_ins.asked_of(ListAudit)
    assert (asked.actor, asked.action, asked.resource, asked.since) == ("user:9", "withdrawal.approve", "withdrawal:1", NOON)
    assert (asked.limit, asked.cursor) == (5, "c")
    assert [(await as_admin(world, AUDIT, **bad)).status_code for bad in ({"limit": 101}, {"action": "A"}, {"actor": "\x00"})] == [422] * 3


# ---- logins


async def told_logins(world: World, count: int) -> list[LoginRecorded]:
    """The logins at the broker, as soon as there are so many."""
    queue = await world.channel.get_queue(PAYMENTS_AUDIT.name)
    found: list[LoginRecorded] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            message = await queue.get(no_ack=True, fail=False)
            if message is None:
                await asyncio.sleep(0.01)
            else:
                found += Unpacker(LoginRecorded).unpack(message.body)[0]
    return found


async def log_in(world: World, login: str, password: str) -> httpx.Response:
    return await world.http.post("/api/v1/auth/login", json={"login": login, "password": password})


async def test_logins_good_and_bad_are_told_under_their_requests_ids(world: World) -> None:
    good = await log_in(world, "mentor", "mentor")
    bad = await log_in(world, "mentor", "guess")
    opened = await world.http.post("/api/v1/auth/session", headers=bearer("77"))
    foreign = await world.http.post("/api/v1/auth/session", headers={"Authorization": "Bearer a.b.c"})
    nothing = await world.http.post("/api/v1/auth/session")

    assert [answer.status_code for answer in (good, bad, opened, foreign, nothing)] == [200, 401, 200, 401, 401]
    assert [(one.method, one.outcome, one.user_id, one.correlation_id) for one in await told_logins(world, 4)] == [
        ("password", "succeeded", "2", good.headers["X-Request-ID"]),
        ("password", "failed", "2", bad.headers["X-Request-ID"]),
        ("token", "succeeded", "77", opened.headers["X-Request-ID"]),
        ("token", "failed", None, foreign.headers["X-Request-ID"]),
    ]


async def test_a_login_neither_fails_nor_waits_while_the_broker_is_away_and_is_told_after(world: World) -> None:
    world.broker.cut()
    assert (await world.lost()).status_code == 503
    began = asyncio.get_running_loop().time()
    answer = await log_in(world, "other", "other")
    took = asyncio.get_running_loop().time() - began
    await world.restored()

    assert (answer.status_code, took < 1) == (200, True)
    (told,) = await told_logins(world, 1)
    assert (told.user_id, told.correlation_id) == ("3", answer.headers["X-Request-ID"])
