"""What a socket is told of payments and withdrawals: each new state once, never an older one after it, and the newest when it is slow."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from services.notifier.asyncapi import document
from services.notifier.counts import Counts
from services.notifier.hub import Hub
from services.notifier.notices import NOTICES_MAX, PaymentEvent, notice_of
from shared.contracts.base import new_id
from tests.payment_events import completed, subject_id, updated, withdrawn
from tests.unit.notifier_doubles import FakeClock, FakeSink, Frame, balance, change, new_hub, opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hub_and_counts(clock: FakeClock) -> tuple[Hub, Counts]:
    return new_hub(clock)


@pytest.fixture
def hub(hub_and_counts: tuple[Hub, Counts]) -> Hub:
    return hub_and_counts[0]


@pytest.fixture
def counts(hub_and_counts: tuple[Hub, Counts]) -> Counts:
    return hub_and_counts[1]


def states(frames: list[Frame]) -> list[str]:
    return [frame["status"] for frame in frames]


# Who is told


def test_payer_and_mentor_get_the_same_bytes_and_nobody_else_gets_any(hub: Hub) -> None:
    (payer, _), (at_home, _), (mentor, _), (other, _) = opened(hub), opened(hub), opened(hub, user="2"), opened(hub, user="3")
    hub.on_payment_events([updated("refunded", users=("1", "2"))])
    assert payer.texts[0] is at_home.texts[0] is mentor.texts[0], "serialised once"
    assert other.texts == []


def test_a_completion_is_told_to_payer_and_mentor_as_a_completed_payment(hub: Hub) -> None:
    (payer, _), (mentor, _) = opened(hub, user="1"), opened(hub, user="2")
    hub.on_payment_events([completed(payer="1", user="2", seconds=5)])
    (told,) = payer.take()
    assert told == {
        "type": "payment.updated",
        "payment_id": str(subject_id(1)),
        "status": "completed",
        "kind": "payment",
        "method": "mock",
        "amount": 50.0,
        "amount_minor": 5000,
        "currency": "usd",
        "refunded_amount": 0.0,
        "refunded_amount_minor": 0,
        "updated_at": "2026-11-21T12:00:05Z",
    }
    assert mentor.take() == [told]


@pytest.mark.parametrize(("payer", "user"), [("1", "1"), (None, "1"), ("1", None)], ids=["own-deposit", "credited-only", "an-order"])
def test_who_is_payer_and_owner_or_the_only_one_known_is_told_once(hub: Hub, counts: Counts, payer: str | None, user: str | None) -> None:
    sink, _ = opened(hub)
    hub.on_payment_events([completed(payer=payer, user=user)])
    assert states(sink.take()) == ["completed"]
    assert counts.notices_overtaken == 0


def test_a_guests_order_is_told_to_nobody(hub: Hub, counts: Counts) -> None:
    sink, _ = opened(hub)
    hub.on_payment_events([completed(payer=None, user=None, kind="order"), updated("refunded", users=())])
    assert (sink.texts, counts.frames) == ([], 1)


def test_a_withdrawal_is_told_to_its_owner(hub: Hub) -> None:
    (owner, _), (other, _) = opened(hub, user="1"), opened(hub, user="2")
    hub.on_payment_events([withdrawn("rejected", user="1", reason="the account does not exist")])
    (told,) = owner.take()
    assert (told["type"], told["status"], told["reason"]) == ("withdrawal.updated", "rejected", "the account does not exist")
    assert other.texts == []


def test_of_users_who_are_not_here_no_frame_is_made(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(hub, user="3")
    monkeypatch.setattr("services.notifier.hub.notice_of", lambda event: pytest.fail("made for nobody"))
    hub.on_payment_events([updated("failed"), completed(), withdrawn("paid")])


def test_each_frame_is_as_the_asyncapi_document_has_it(hub: Hub) -> None:
    messages = document()["channels"]["ws"]["messages"]
    sink, subscriber = opened(hub)
    sink.room = 0
    for number in range(NOTICES_MAX + 1):
        hub.on_payment_events([updated("failed", payment=subject_id(10 + number))])
    sink.room = None
    hub.drained(subscriber)
    hub.on_payment_events([withdrawn("paid"), completed()])
    frames = sink.take()
    assert "updates_truncated" in frames[0]
    for frame in frames:
        name = {"payment.updated": "paymentUpdated", "withdrawal.updated": "withdrawalUpdated"}[frame["type"]]
        schema = messages[name]["payload"]
        assert set(schema["required"]) <= set(frame) <= set(schema["properties"])
        assert frame["type"] == schema["properties"]["type"]["const"]
        assert frame["status"] in schema["properties"]["status"]["enum"]


# In which order


def test_repeats_and_older_states_are_dropped(hub: Hub, counts: Counts) -> None:
    sink, _ = opened(hub)
    refunded, older = updated("refunded", seconds=2), updated("partially_refunded", seconds=1)
    again = refunded.model_copy(update={"message_id": new_id()})
    hub.on_payment_events([refunded, refunded, older, again, updated("disputed", seconds=3)])
    assert states(sink.take()) == ["refunded", "disputed"]
    assert counts.notices_overtaken == 3


LIVES: dict[str, list[PaymentEvent]] = {
    "paid-after-it-expired-by-a-clock-that-is-behind": [
        updated("pending", seconds=0),
        updated("expired", seconds=60),
        completed(seconds=-5),
    ],
    "refunded-by-a-clock-before-the-providers": [updated("pending", seconds=0), completed(seconds=90), updated("refunded", seconds=60)],
    "disputed-and-won": [completed(seconds=0), updated("disputed", seconds=60), updated("completed", seconds=120)],
    "a-refund-that-came-back": [updated("refunded", seconds=60), updated("completed", seconds=120)],
    "withdrawn-and-sent-back": [withdrawn("sending", seconds=1), withdrawn("paid", seconds=2), withdrawn("returned", seconds=2)],
    "rejected": [withdrawn("pending", seconds=1), withdrawn("approved", seconds=2), withdrawn("rejected", seconds=3)],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_in_whatever_order_they_arrive_states_only_go_forward_and_end_with_the_last(clock: FakeClock, life: list[PaymentEvent]) -> None:
    in_order = [json.loads(notice_of(event).text) for event in life]
    for arrival in permutations(range(len(life))):
        hub, _ = new_hub(clock)
        sink, _ = opened(hub)
        hub.on_payment_events([life[index] for index in arrival])
        told = [in_order.index(frame) for frame in sink.take()]
        assert told == sorted(set(told)), "neither back nor twice"
        assert told[-1] == len(life) - 1


def test_of_two_states_of_one_moment_the_one_that_came_last_is_told_last(hub: Hub) -> None:
    sink, _ = opened(hub)
    hub.on_payment_events([updated("partially_refunded", refunded_amount_minor=1), updated("partially_refunded", refunded_amount_minor=2)])
    assert [frame["refunded_amount_minor"] for frame in sink.take()] == [1, 2]


def test_a_payment_and_a_withdrawal_do_not_overtake_each_other(hub: Hub) -> None:
    sink, _ = opened(hub)
    hub.on_payment_events([withdrawn("paid", seconds=9), updated("failed", seconds=1), updated("failed", payment=subject_id(3), seconds=0)])
    assert [frame["type"] for frame in sink.take()] == ["withdrawal.updated", "payment.updated", "payment.updated"]


def test_the_snapshot_comes_first_and_what_was_told_while_the_socket_opened_after_it(hub: Hub) -> None:
    sink = FakeSink()
    subscriber = hub.join("1", sink)
    hub.on_payment_events([updated("pending"), withdrawn("paid"), updated("failed", seconds=1)])
    assert sink.texts == []
    sink.room = 0
    hub.open(subscriber, [])
    sink.room = None
    hub.on_payment_events([withdrawn("returned")])
    frames = sink.take()
    assert [frame["type"] for frame in frames] == ["balance.snapshot", "payment.updated", "withdrawal.updated"]
    assert states(frames[1:]) == ["failed", "returned"]


def test_a_balance_version_that_is_waited_for_holds_no_payment_up(hub: Hub) -> None:
    sink, _ = opened(hub, balance(1))
    hub.on_balance_changed([change(3)])
    hub.on_payment_events([updated("failed")])
    assert states(sink.take()) == ["failed"]


# A socket that does not keep up


def test_a_slow_client_gets_the_newest_state_of_each(hub: Hub) -> None:
    sink, subscriber = opened(hub)
    sink.room = 0
    hub.on_payment_events(
        [updated("pending"), withdrawn("sending"), completed(), withdrawn("paid", seconds=1), updated("expired", seconds=2)]
    )
    hub.on_balance_changed([change(1)])
    sink.room = None
    hub.drained(subscriber)
    told, *rest = sink.take()
    assert told["type"] == "balance.updated"
    assert states(rest) == ["completed", "paid"]
    assert not any("updates_truncated" in frame for frame in rest)


def test_a_very_slow_client_gets_the_newest_and_is_told_once_that_there_were_more(hub: Hub, counts: Counts) -> None:
    (slow, subscriber), (quick, _) = opened(hub), opened(hub)
    slow.room = 0
    for number in range(1000):
        hub.on_payment_events([updated("failed", payment=subject_id(number + 1), seconds=number)])
    slow.room = 3
    hub.drained(subscriber)
    slow.room = None
    hub.drained(subscriber)
    frames = slow.take()
    newest = [str(subject_id(number)) for number in range(1001 - NOTICES_MAX, 1001)]
    assert [frame["payment_id"] for frame in frames] == newest
    assert [frame.get("updates_truncated") for frame in frames] == [True] + [None] * (NOTICES_MAX - 1)
    assert counts.notices_dropped == 1000 - NOTICES_MAX
    assert len(quick.take()) == 1000, "its neighbour gets all"
    hub.on_payment_events([withdrawn("paid")])
    (again,) = slow.take()
    assert "updates_truncated" not in again, "it keeps up again"


def test_a_payment_that_moves_again_and_again_takes_no_room_from_others(hub: Hub, counts: Counts) -> None:
    sink, subscriber = opened(hub)
    sink.room = 0
    hub.on_payment_events([withdrawn("paid")])
    hub.on_payment_events([updated("pending", seconds=number) for number in range(1000)])
    sink.room = None
    hub.drained(subscriber)
    assert [(frame["type"], frame["updated_at"]) for frame in sink.take()] == [
        ("withdrawal.updated", "2026-11-21T12:00:00Z"),
        ("payment.updated", "2026-11-21T12:16:39Z"),
    ]
    assert counts.notices_dropped == 0


def test_it_is_what_moved_longest_ago_that_is_let_go(hub: Hub) -> None:
    sink, subscriber = opened(hub)
    sink.room = 0
    for number in range(1, NOTICES_MAX + 1):
        hub.on_payment_events([updated("pending", payment=subject_id(number))])
    hub.on_payment_events([updated("failed", payment=subject_id(1), seconds=1), withdrawn("paid", withdrawal=subject_id(1000))])
    sink.room = None
    hub.drained(subscriber)
    told = sink.take()
    assert [frame.get("payment_id") for frame in told] == [
        *(str(subject_id(n)) for n in range(3, NOTICES_MAX + 1)),
        str(subject_id(1)),
        None,
    ]
    assert told[-2]["status"] == "failed"


def test_what_is_known_of_a_user_and_waits_for_a_socket_is_bounded(hub: Hub) -> None:
    sink, subscriber = opened(hub)
    sink.room = 0
    hub.on_payment_events([updated("failed", payment=subject_id(number + 1)) for number in range(2_000)])
    assert len(subscriber.waiting._by_subject) == len(hub._users["1"].told._by_subject) == NOTICES_MAX


def test_who_has_left_is_told_nothing_and_nothing_of_it_is_kept(hub: Hub) -> None:
    sink, subscriber = opened(hub)
    hub.on_payment_events([updated("refunded", seconds=9)])
    sink.take()
    hub.leave(subscriber)
    hub.on_payment_events([updated("disputed", seconds=10)])
    assert (sink.texts, hub.user_ids()) == ([], [])
    back, _ = opened(hub)
    hub.on_payment_events([updated("refunded", seconds=9)])
    assert states(back.take()) == ["refunded"]
