"""Whatever order, repetition and slowness: each payment's told states only go forward, and a client that reads again when told has all."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.notices import NOTICES_MAX
from tests.payment_events import NOON, subject_id, updated
from tests.unit.notifier_doubles import FakeClock, FakeSink, Frame, new_hub

SUBJECTS = NOTICES_MAX + 10


@dataclass(frozen=True)
class Step:
    """States (a payment, at so many seconds) arrive, then the socket takes so many frames (None: all)."""

    states: list[tuple[int, int]]
    room: int | None


steps = st.lists(
    st.builds(
        Step,
        # Few payments that move often, or many at once.
        states=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), max_size=20)
        | st.integers(0, 9).map(lambda second: [(subject, second) for subject in range(1, SUBJECTS + 1)]),
        room=st.sampled_from([None, None, 0, 1, 3]),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(steps=steps, opens_at=st.integers(0, 5))
def test_any_arrival_ends_with_the_newest_state_of_each_or_says_that_some_are_missing(steps: list[Step], opens_at: int) -> None:
    hub, _ = new_hub(FakeClock())
    sink = FakeSink()
    subscriber = hub.join("1", sink)
    newest: dict[int, int] = {}
    for number, step in enumerate([*steps, *([Step([], None)] * max(0, opens_at + 1 - len(steps)))]):
        if number == opens_at:
            hub.open(subscriber, [])
        hub.on_payment_events([updated("pending", payment=subject_id(subject), seconds=second) for subject, second in step.states])
        for subject, second in step.states:
            newest[subject] = max(newest.get(subject, 0), second)
        sink.room = step.room
        hub.drained(subscriber)
    sink.room = None
    hub.drained(subscriber)
    told, truncated = read(sink.frames, all_remembered=len(newest) <= NOTICES_MAX)
    wanted = {str(subject_id(subject)): updated("", seconds=second).updated_at for subject, second in newest.items()}
    missing = {subject for subject, moment in wanted.items() if told.get(subject, "") != text(moment)}
    assert truncated or not missing
    if len(newest) <= NOTICES_MAX:
        assert not missing
        assert not truncated


def text(moment: object) -> str:
    return str(moment).replace(" ", "T").replace("+00:00", "Z")


def read(frames: list[Frame], *, all_remembered: bool) -> tuple[dict[str, str], bool]:
    """What a client knows of each payment after `frames`, and whether it was told that it lacks some."""
    known: dict[str, str] = {}
    truncated = False
    first, *rest = frames
    assert first["type"] == "balance.snapshot"
    for frame in rest:
        # Of more than are remembered, an old state may be told again.
        if frame["payment_id"] in known and all_remembered:
            assert frame["updated_at"] > known[frame["payment_id"]], "neither back nor twice"
        known[frame["payment_id"]] = max(frame["updated_at"], known.get(frame["payment_id"], text(NOON)))
        truncated = truncated or "updates_truncated" in frame
    return known, truncated
