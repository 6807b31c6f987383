"""Whatever order, repetition and slowness: versions only rise, nothing untrue is told, and it ends with the newest state."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.feed import HELD_MAX
from tests.unit.notifier_doubles import FakeClock, FakeSink, Frame, balance, change, new_hub

CURRENCIES = ("rsd", "usd")


@dataclass(frozen=True)
class Step:
    """Some changes arrive (an index past the last is taken modulo), then time passes, then the socket takes so many frames (None: all)."""

    versions: list[tuple[str, int]]
    seconds: float
    room: int | None


steps = st.lists(
    st.builds(
        Step,
        versions=st.lists(st.tuples(st.sampled_from(CURRENCIES), st.integers(1, 60)), max_size=40),
        seconds=st.sampled_from([0.0, 0.01, 0.05, 0.2]),
        room=st.sampled_from([None, None, 0, 1, 3]),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(steps=steps, snapshot_at=st.integers(0, 30), opens_at=st.integers(0, 5), refresh_at=st.none() | st.integers(0, 11))
def test_any_arrival_ends_with_the_newest_state(steps: list[Step], snapshot_at: int, opens_at: int, refresh_at: int | None) -> None:
    clock = FakeClock()
    hub, _ = new_hub(clock)
    sink = FakeSink()
    subscriber = hub.join("1", sink)
    newest = dict.fromkeys(CURRENCIES, snapshot_at)
    for number, step in enumerate([*steps, *([Step([], 0.0, None)] * max(0, opens_at + 1 - len(steps)))]):
        if number == opens_at:
            hub.open(subscriber, [balance(snapshot_at, currency) for currency in CURRENCIES if snapshot_at])
        hub.on_balance_changed([change(version, currency=currency) for currency, version in step.versions])
        for currency, version in step.versions:
            newest[currency] = max(newest[currency], version)
        if number == refresh_at:
            hub.refresh("1", [balance(version, currency) for currency, version in newest.items() if version])
        clock.pass_seconds(step.seconds)
        sink.room = step.room
        hub.drained(subscriber)
    sink.room = None
    hub.drained(subscriber)
    clock.pass_seconds(1)
    assert told(sink.frames) == {currency: version for currency, version in newest.items() if version}
    assert clock.timers == [] or all(timer.canceled for timer in clock.timers)


def told(frames: list[Frame]) -> dict[str, int]:
    """The state that a client has after `frames`, every one of them checked on the way."""
    state: dict[str, int] = {}
    assert frames[0]["type"] == "balance.snapshot"
    for frame in frames:
        if frame["type"] == "balance.snapshot":
            for item in frame["balances"]:
                assert item["version"] >= state.get(item["currency"], 0)
                assert item["available_minor"] == 100 * item["version"]
                state[item["currency"]] = item["version"]
            continue
        before, listed = state.get(frame["currency"], 0), [item["version"] for item in frame["changes"]]
        assert before < listed[0], "nothing is told twice"
        assert listed == sorted(set(listed))
        assert len(listed) <= HELD_MAX
        assert (frame["version"], frame["available_minor"]) == (listed[-1], 100 * listed[-1])
        complete = listed == list(range(before + 1, frame["version"] + 1))
        assert complete is ("changes_truncated" not in frame), "a list that lacks a change says so, and only such a list"
        state[frame["currency"]] = frame["version"]
    return state
