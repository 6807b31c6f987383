"""The methods are asked for at most once a minute, and what was heard last is told while nobody answers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
import structlog

from services.gateway import methods as module
from services.gateway.methods import AGAIN_SECONDS, FRESH_SECONDS, Methods
from services.gateway.problems import Problem
from shared.contracts.checkout import MethodsView, MethodView


def view(*names: str) -> MethodsView:
    return MethodsView(methods=tuple(MethodView(method=name, pays_for=("session",), limits=(), capabilities=()) for name in names))


class Payments:
    """Answers with `answer`: a view, a problem, or nothing as long as it is an event that is not set."""

    def __init__(self) -> None:
        self.answer: MethodsView | Problem | asyncio.Event = view("mock")
        self.asked = 0

    async def question(self, message: Any, answers: Any) -> MethodsView:
        self.asked += 1
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
        if isinstance(self.answer, Problem):
            raise self.answer
        assert isinstance(self.answer, MethodsView)
        return self.answer


class World:
    def __init__(self) -> None:
        self.payments = Payments()
        self.now = 1_000.0
        self.methods = Methods(cast(Any, self.payments), {"mock"}, lambda: self.now)

    async def names(self) -> list[str]:
        return [method.method for method in (await self.methods.current("r")).methods]


@pytest.fixture
def world() -> World:
    return World()


async def test_it_is_asked_once_a_minute(world: World) -> None:
    assert await world.names() == ["mock"]
    world.payments.answer = view("stripe", "mock")
    world.now += FRESH_SECONDS - 1
    assert await world.names() == ["mock"]
    world.now += 1
    assert await world.names() == ["stripe", "mock"]
    assert world.payments.asked == 2


async def test_many_who_come_at_once_ask_once(world: World) -> None:
    assert await asyncio.gather(*(world.names() for _ in range(50))) == [["mock"]] * 50
    assert world.payments.asked == 1


async def test_what_was_never_heard_is_a_problem_and_is_asked_for_by_the_next_one(world: World) -> None:
    world.payments.answer = Problem("no_answer", "silence")
    for _ in range(2):
        with pytest.raises(Problem) as told:
            await world.names()
        assert (told.value.code, told.value.headers["Retry-After"]) == ("no_answer", "2")
    world.payments.answer = view("mock")
    assert await world.names() == ["mock"]


async def test_an_old_answer_beats_none_and_nobody_is_asked_at_every_request(world: World) -> None:
    await world.names()
    world.payments.answer = Problem("broker_unavailable", "away")
    world.now += 10 * FRESH_SECONDS
    with structlog.testing.capture_logs() as logs:
        assert [await world.names() for _ in range(5)] == [["mock"]] * 5
    assert [line["log_level"] for line in logs] == ["warning"]
    assert world.payments.asked == 2
    world.now += AGAIN_SECONDS
    world.payments.answer = view("stripe")
    assert await world.names() == ["stripe"]


async def test_who_has_an_old_answer_does_not_wait_long_for_a_new_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    await world.names()
    world.payments.answer = later = asyncio.Event()
    world.now += FRESH_SECONDS
    assert await world.names() == ["mock"]
    world.payments.answer = view("stripe")
    later.set()
    async with asyncio.timeout(5):
        while await world.names() != ["stripe"]:
            await asyncio.sleep(0)
    assert world.payments.asked == 2


async def test_whoever_asked_first_may_leave(world: World) -> None:
    world.payments.answer = later = asyncio.Event()
    first, second = asyncio.create_task(world.names()), asyncio.create_task(world.names())
    while not world.payments.asked:
        await asyncio.sleep(0)
    first.cancel()
    world.payments.answer = view("mock")
    later.set()
    assert await second == ["mock"]
    assert world.payments.asked == 1


async def test_a_method_whose_events_nobody_here_can_verify_is_told_to_the_operator_once(world: World) -> None:
    world.payments.answer = view("stripe", "mock", "balance")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await world.names()
            world.now += FRESH_SECONDS
    assert [(line["log_level"], line["method"]) for line in logs] == [("warning", "stripe")]
