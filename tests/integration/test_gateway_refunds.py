"""A refund over the real broker: what the gateway asks for, and what it says when the answer is slow, a decision, or never comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.gateway import receipts
from shared.contracts.base import Message, new_id, utc_now
from shared.contracts.payment_commands import CommandReply, InProgress
from shared.contracts.refunds import GetRefund, ListRefunds, RefundMade, RefundPage, RefundPayment, RefundRefused
from tests.integration.gateway_world import World, bearer, gateway_world, one_story, refused, silent

PAYMENT = "0199d3a2-8f10-7c3e-9a51-6f6d2f0c1b7e"
REFUND = f"/api/v1/payments/refund/{PAYMENT}"


@pytest.fixture(scope="module")
async def running(module_amqp_url: str) -> AsyncIterator[World]:
    async with gateway_world(module_amqp_url, rpc_timeout_seconds=0.5) as started:
        yield started


@pytest.fixture
async def world(running: World) -> AsyncIterator[World]:
    async with one_story(running) as story:
        yield story


async def made(command: RefundPayment) -> CommandReply[RefundMade]:
    return CommandReply(
        answer=RefundMade(
            payment_id=PAYMENT,
            refund_id=command.refund_id,
            refund_status="succeeded",
            status="refunded",
            refunded_amount_minor=5000,
            amount_minor=5000,
            currency="jpy",
            created_at=utc_now(),
        )
    )


async def in_progress(command: RefundPayment) -> CommandReply[RefundMade]:
    return CommandReply(answer=InProgress(resource_id=command.refund_id))


async def test_a_body_may_be_left_out_and_says_the_same_as_an_empty_one(world: World) -> None:
    world.stand_ins.answers[RefundPayment] = made
    bare = await world.http.post(REFUND, headers={**bearer("9", roles=["admin"]), "Idempotency-Key": "key-1"})
    empty = await world.http.post(REFUND, json={}, headers={**bearer("9", roles=["admin"]), "Idempotency-Key": "key-1"})

    assert bare.status_code == empty.status_code == 201, bare.text
    first, second = world.stand_ins.asked_of(RefundPayment)
    assert first.idempotency == second.idempotency
    assert first.refund_id == second.refund_id, "the key makes the id"
    assert (first.amount_minor, first.force, first.requested_by, first.requested_by_admin) == (None, False, "9", True)
    assert bare.json()["refunded_amount"] == 5000
    assert bare.headers["Location"].endswith(f"/api/v1/payments/{PAYMENT}/refunds/{first.refund_id}")


@pytest.mark.parametrize("slow", [silent, in_progress])
async def test_what_is_slow_is_202_with_a_location_that_is_never_404(world: World, slow: object) -> None:
    world.stand_ins.answers[RefundPayment] = slow  # type: ignore[assignment]

    async def unknown(query: Message) -> Message | None:
        return refused("refund_not_found", query)  # type: ignore[return-value]

    world.stand_ins.answers[GetRefund] = unknown  # type: ignore[assignment]
    accepted = await world.post(REFUND, {"amount": 5})
    location = accepted.headers["Location"].removeprefix(world.settings.public_url)
    polled = await world.http.get(location, headers=bearer())
    stranger = await world.http.get(location, headers=bearer("3"))

    refund_id = accepted.json()["refund_id"]
    assert (accepted.status_code, accepted.json()) == (202, {"payment_id": PAYMENT, "refund_id": refund_id, "status": "accepted"})
    assert (polled.status_code, polled.json()) == (200, {"refund_id": refund_id, "status": "accepted"})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "refund_not_found"), "the receipt is its caller's"


async def test_what_never_arrived_is_told_as_failed_once_its_time_is_over(world: World) -> None:
    refund_id = str(new_id())
    over = utc_now() - receipts.GRACE - timedelta(seconds=2)
    receipt = receipts.sign(world.settings.keys, resource_id=refund_id, caller="user:1", deadline=over)

    async def unknown(query: Message) -> Message | None:
        return refused("refund_not_found", query)  # type: ignore[return-value]

    world.stand_ins.answers[GetRefund] = unknown  # type: ignore[assignment]
    polled = await world.get(f"/api/v1/payments/{PAYMENT}/refunds/{refund_id}", receipt=receipt)

    assert (polled.status_code, polled.json()["status"], polled.json()["problem"]["code"]) == (200, "failed", "not_received")


async def test_a_request_that_was_refused_after_its_202_shows_its_problem(world: World) -> None:
    refund_id = new_id()

    async def refused_later(query: GetRefund) -> RefundRefused:
        return RefundRefused(refund_id=refund_id, problem=refused("already_refunded", query))

    world.stand_ins.answers[GetRefund] = refused_later
    polled = await world.get(f"/api/v1/payments/{PAYMENT}/refunds/{refund_id}")

    assert polled.status_code == 200
    assert (polled.json()["status"], polled.json()["problem"]["status"], polled.json()["problem"]["code"]) == (
        "failed",
        409,
        "already_refunded",
    )


async def test_questions_go_on_as_they_were_asked_and_silence_is_503(world: World) -> None:
    async def page(query: ListRefunds) -> RefundPage:
        return RefundPage(payment_id=query.payment_id, items=(), next_cursor="bmV4dA")

    world.stand_ins.answers[ListRefunds] = page
    listed = await world.get(f"/api/v1/payments/{PAYMENT}/refunds", limit=7, cursor="abc", external_id="r-1")
    world.stand_ins.answers[ListRefunds] = silent
    unanswered = await world.get(f"/api/v1/payments/{PAYMENT}/refunds")

    assert (listed.status_code, listed.json()) == (200, {"items": [], "next_cursor": "bmV4dA"})
    (query, _) = world.stand_ins.asked_of(ListRefunds)
    assert (query.payment_id, query.viewer_user_id, query.limit, query.cursor, query.external_id) == (PAYMENT, "1", 7, "abc", "r-1")
    assert (unanswered.status_code, unanswered.json()["code"]) == (503, "no_answer")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/v1/payments/refund/not-ours", "payment_not_found"),
        ("GET", "/api/v1/payments/not-ours/refunds", "payment_not_found"),
        ("GET", f"/api/v1/payments/{PAYMENT}/refunds/not-ours", "refund_not_found"),
        ("GET", f"/api/v1/payments/not-ours/refunds/{PAYMENT}", "refund_not_found"),
    ],
)
async def test_ids_that_were_never_given_out_are_404_and_nobody_is_asked(world: World, method: str, path: str, code: str) -> None:
    answer = await world.http.request(method, path, headers=bearer())
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert world.stand_ins.asked == []


async def test_paths_are_only_what_they_are_for(world: World) -> None:
    for method, path, allowed in (
        ("DELETE", REFUND, "POST"),
        ("POST", f"/api/v1/payments/{PAYMENT}/refunds", "GET"),
        ("PUT", f"/api/v1/payments/{PAYMENT}/refunds/{PAYMENT}", "GET"),
    ):
        answer = await world.http.request(method, path, headers=bearer())
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), path
