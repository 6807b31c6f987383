"""What a socket is told: snapshot first, one change a frame, in order, merged when it is slow, and never an older state after a newer."""

from __future__ import annotations

import pytest

from services.notifier.feed import HELD_MAX
from services.notifier.hub import TooManySockets
from tests.unit.notifier_doubles import FakeClock, FakeSink, balance, change, listed, new_hub, opened, versions


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_client_that_keeps_up_gets_one_change_a_frame(clock: FakeClock) -> None:
    hub, counts = new_hub(clock)
    sink, _ = opened(hub, balance(4))
    hub.on_balance_changed([change(5), change(6)])
    hub.on_balance_changed([change(7)])
    frames = sink.take()
    assert [listed(frame) for frame in frames] == [[5], [6], [7]]
    assert not any("changes_truncated" in frame for frame in frames)
    assert counts.frames == 4


def test_the_first_change_ever_follows_a_snapshot_that_lists_nothing(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, _ = opened(hub)
    hub.on_balance_changed([change(1)])
    assert versions(sink.take()) == [1]


def test_every_socket_of_the_user_gets_the_same_bytes_and_nobody_else_gets_any(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    (first, _), (second, _), (other, _) = opened(hub), opened(hub), opened(hub, user="2")
    hub.on_balance_changed([change(1)])
    assert first.texts[0] is second.texts[0], "serialised once"
    assert other.texts == []


def test_what_is_committed_while_the_socket_opens_is_held_and_comes_after_the_snapshot(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink = FakeSink()
    subscriber = hub.join("1", sink)
    hub.on_balance_changed([change(3), change(4), change(5)])
    assert sink.texts == []
    hub.open(subscriber, [balance(4)])
    snapshot, update = sink.take()
    assert snapshot["balances"][0]["version"] == 4
    assert listed(update) == [5]


def test_more_changes_than_are_kept_while_the_socket_opens_end_in_the_newest_state(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink = FakeSink()
    subscriber = hub.join("1", sink)
    hub.on_balance_changed([change(version) for version in range(1, 51)])
    hub.open(subscriber, [balance(2)])
    _, update = sink.take()
    assert (update["version"], listed(update), update["changes_truncated"]) == (50, list(range(31, 51)), True)


def test_repeats_and_older_versions_are_dropped(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, _ = opened(hub, balance(5))
    hub.on_balance_changed([change(5), change(6), change(6), change(3), change(7), change(6)])
    assert versions(sink.take()) == [6, 7]


def test_a_missing_version_is_waited_for_and_then_both_come_in_order(clock: FakeClock) -> None:
    hub, counts = new_hub(clock)
    sink, _ = opened(hub, balance(1))
    hub.on_balance_changed([change(3), change(4)])
    clock.pass_seconds(0.099)
    assert sink.texts == []
    hub.on_balance_changed([change(2)])
    assert [listed(frame) for frame in sink.take()] == [[2], [3], [4]]
    clock.pass_seconds(1)
    assert (sink.texts, counts.gaps) == ([], 0)


def test_a_missing_version_is_waited_for_no_longer_than_100_ms(clock: FakeClock) -> None:
    hub, counts = new_hub(clock)
    sink, _ = opened(hub, balance(1))
    hub.on_balance_changed([change(3)])
    clock.pass_seconds(0.051)
    hub.on_balance_changed([change(4)])
    clock.pass_seconds(0.051)
    after_gap, next_one = sink.take()
    assert (listed(after_gap), after_gap["changes_truncated"]) == ([3], True), "a change is missing from the list, and the frame says so"
    assert (listed(next_one), "changes_truncated" in next_one) == ([4], False)
    hub.on_balance_changed([change(2)])
    clock.pass_seconds(1)
    assert (sink.texts, counts.gaps) == ([], 1)


def test_two_gaps_are_each_waited_for(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, _ = opened(hub, balance(1))
    hub.on_balance_changed([change(3)])
    clock.pass_seconds(0.06)
    hub.on_balance_changed([change(5)])
    clock.pass_seconds(0.051)
    assert versions(sink.take()) == [3]
    clock.pass_seconds(0.051)
    assert versions(sink.take()) == [5]


def test_a_gap_in_one_currency_holds_no_other_up(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, _ = opened(hub, balance(1), balance(1, "usd"))
    hub.on_balance_changed([change(3), change(2, currency="usd")])
    assert [(frame["currency"], frame["version"]) for frame in sink.take()] == [("usd", 2)]


def test_a_slow_client_gets_the_newest_state_with_all_changes_in_one_frame(clock: FakeClock) -> None:
    hub, counts = new_hub(clock)
    sink, subscriber = opened(hub)
    sink.room = 1
    hub.on_balance_changed([change(version) for version in range(1, 8)])
    assert versions(sink.take()) == [1]
    sink.room = None
    hub.drained(subscriber)
    (merged,) = sink.take()
    assert (merged["version"], merged["available_minor"], listed(merged)) == (7, 700, [2, 3, 4, 5, 6, 7])
    assert "changes_truncated" not in merged
    assert counts.changes_coalesced == 5
    hub.on_balance_changed([change(8), change(9)])
    assert [listed(frame) for frame in sink.take()] == [[8], [9]], "it keeps up again"


def test_a_very_slow_client_gets_the_last_20_changes_and_is_told_that_there_were_more(clock: FakeClock) -> None:
    hub, counts = new_hub(clock)
    sink, subscriber = opened(hub)
    sink.room = 0
    hub.on_balance_changed([change(version) for version in range(1, 1001)])
    sink.room = None
    hub.drained(subscriber)
    (merged,) = sink.take()
    assert (merged["version"], merged["available_minor"], merged["changes_truncated"]) == (1000, 100_000, True)
    assert listed(merged) == list(range(981, 1001))
    assert counts.changes_truncated == 980


def test_a_slow_client_gets_one_frame_a_currency(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, subscriber = opened(hub)
    sink.room = 0
    hub.on_balance_changed([change(v, currency=c) for v in (1, 2, 3) for c in ("rsd", "usd")])
    sink.room = None
    hub.drained(subscriber)
    assert {frame["currency"]: listed(frame) for frame in sink.take()} == {"rsd": [1, 2, 3], "usd": [1, 2, 3]}


def test_a_slow_client_costs_its_neighbour_nothing(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    (slow, _), (quick, _) = opened(hub), opened(hub)
    slow.room = 0
    hub.on_balance_changed([change(1), change(2)])
    assert [listed(frame) for frame in quick.take()] == [[1], [2]]


def test_what_a_slow_socket_holds_is_bounded(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, subscriber = opened(hub)
    sink.room = 0
    hub.on_balance_changed([change(version) for version in range(1, 10_000)])
    held = subscriber.feed._accounts["rsd"].held
    assert len(held) == HELD_MAX


def test_after_an_outage_everyone_gets_a_new_snapshot_and_goes_on_from_there(clock: FakeClock) -> None:
    hub, counts = new_hub(clock)
    (first, _), (second, _) = opened(hub, balance(1)), opened(hub, balance(1))
    hub.refresh("1", [balance(9)])
    hub.on_balance_changed([change(9), change(10)])
    for sink in (first, second):
        snapshot, update = sink.take()
        assert (snapshot["type"], snapshot["balances"][0]["version"]) == ("balance.snapshot", 9)
        assert listed(update) == [10]
    assert counts.snapshots == 4


def test_a_snapshot_that_was_overtaken_by_an_event_does_not_turn_the_clock_back(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, _ = opened(hub, balance(1))
    hub.on_balance_changed([change(2)])
    sink.take()
    hub.refresh("1", [balance(1), balance(4, "usd")])
    (snapshot,) = sink.take()
    assert {b["currency"]: b["version"] for b in snapshot["balances"]} == {"rsd": 2, "usd": 4}


def test_a_slow_client_gets_the_new_snapshot_when_it_reads_again(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, subscriber = opened(hub, balance(1))
    sink.room = 0
    hub.on_balance_changed([change(2)])
    hub.refresh("1", [balance(3)])
    hub.on_balance_changed([change(4), change(5)])
    sink.room = None
    hub.drained(subscriber)
    snapshot, update = sink.take()
    assert snapshot["balances"][0]["version"] == 3
    assert listed(update) == [4, 5]


def test_a_refresh_while_a_socket_opens_is_not_undone_by_an_older_first_snapshot(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink = FakeSink()
    subscriber = hub.join("1", sink)
    hub.refresh("1", [balance(8)])
    assert sink.texts == []
    hub.open(subscriber, [balance(6)])
    (snapshot,) = sink.take()
    assert snapshot["balances"][0]["version"] == 8


def test_a_user_may_have_so_many_sockets_and_no_more(clock: FakeClock) -> None:
    hub, _ = new_hub(clock, sockets_per_user_max=2)
    _, first = opened(hub)
    opened(hub)
    with pytest.raises(TooManySockets):
        hub.join("1", FakeSink())
    hub.leave(first)
    opened(hub)


def test_who_has_left_is_forgotten_with_all_that_was_kept(clock: FakeClock) -> None:
    hub, _ = new_hub(clock)
    sink, subscriber = opened(hub, balance(1))
    hub.on_balance_changed([change(3)])
    hub.leave(subscriber)
    hub.leave(subscriber)
    clock.pass_seconds(1)
    hub.on_balance_changed([change(2)])
    hub.open(subscriber, [balance(5)])
    assert (sink.texts, hub.user_ids()) == ([], [])
