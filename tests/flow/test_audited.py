"""Whatever an admin does to what is not theirs is in the audit log, and so are logins; nobody but admins reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from deploy.local.stack import Stack
from shared.contracts.base import new_id
from tests.flow.authorization_table import ROWS, Row
from tests.flow.authorization_world import USER_IDS, Ids, Who, World, a_world
from tests.flow.people import WAIT_SECONDS
from tests.flow.test_authorization import filled

ADMIN: Final = f"user:{USER_IDS[Who.ADMIN]}"


def of_admins(row: Row) -> bool:
    """Does it change something that an admin may change and a stranger may not?"""
    return row.method not in ("GET", "HEAD") and row.answers[Who.ADMIN] < 300 and row.answers[Who.OTHER] in (403, 404)


ACTIONS: Final = tuple(filter(of_admins, ROWS))


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with a_world(stack) as made:
        yield made


async def log(world: World, **asked: Any) -> list[dict[str, Any]]:
    answer = await world.asked(Who.ADMIN, "GET", "/api/v1/audit", params={"limit": 100, **asked})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def act(world: World, row: Row, ids: Ids, request_id: str) -> httpx.Response:
    body = {} if row.body is None else {"json": filled(row.body, ids)}
    return await world.asked(Who.ADMIN, row.method, row.path.format(**ids), headers={"X-Request-ID": request_id}, **body)


@pytest.mark.parametrize("row", ACTIONS, ids=[row.name for row in ACTIONS])
async def test_what_an_admin_did_is_written_down_with_who_what_and_which_request(world: World, row: Row) -> None:
    ids = {} if row.of is None else await row.of(world)
    request_id = f"audited-{new_id()}"
    answer = await act(world, row, ids, request_id)
    assert answer.status_code < 300, answer.text

    written = [item for item in await log(world, actor=ADMIN) if item["request_id"] == request_id]
    assert len(written) == 1, written
    (item,) = written
    named = {*ids.values(), *(value for name, value in answer.json().items() if name.endswith("_id"))}
    assert item["resource"].partition(":")[2] in named, item
    assert item["action"] != ""
    assert await log(world, resource=item["resource"], action=item["action"]) != []


def test_there_are_actions_to_look_at() -> None:
    assert len(ACTIONS) >= 15


async def test_logins_are_in_it_good_and_bad_without_what_was_typed(world: World) -> None:
    async def log_in(login: str, password: str) -> str:
        answer = await world.asked(Who.NOBODY, "POST", "/api/v1/auth/login", json={"login": login, "password": password})
        return answer.headers["X-Request-ID"]

    requests = {
        await log_in("mentor2", "mentor2"): ("user:4", "login.succeeded", "user:4"),
        await log_in("mentor2", "a wrong guess"): ("guest", "login.failed", "user:4"),
        await log_in("someone@private.example", "mentor2"): ("guest", "login.failed", None),
        (await world.asked(Who.OWNER, "POST", "/api/v1/auth/session")).headers["X-Request-ID"]: ("user:1", "session.opened", "user:1"),
        (await world.asked(Who.FORGED, "POST", "/api/v1/auth/session")).headers["X-Request-ID"]: ("guest", "session.refused", None),
    }
    async with asyncio.timeout(WAIT_SECONDS):
        while len(found := {item["request_id"]: item for item in await log(world) if item["request_id"] in requests}) < len(requests):
            await asyncio.sleep(0.05)

    for request_id, (actor, action, resource) in requests.items():
        item = found[request_id]
        assert (item["actor"], item["action"]) == (actor, action)
        assert resource is None or item["resource"] == resource
        assert item["details"] == {"network": "127.0.0.0/24"}
        assert not {"private", "guess"} & set(str(item).replace("@", " ").replace(".", " ").split())


async def test_the_log_is_walked_to_its_end_without_a_repeat(world: World) -> None:
    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await world.asked(Who.ADMIN, "GET", "/api/v1/audit", params={"limit": 3, "actor": ADMIN, **cursor})
        page = answer.json()
        walked += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(walked) == len(set(walked))
    assert walked[:100] == [item["id"] for item in await log(world, actor=ADMIN)]
