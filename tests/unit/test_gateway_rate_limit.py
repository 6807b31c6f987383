"""So many requests a second, so many at once, for one key; and never more keys in memory than the bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.problems import Problem
from services.gateway.rate_limit import UNREADABLE, RateLimit, address_key

SECOND_NS = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 5 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND_NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(limit: RateLimit, attempts: int, key: str = "a") -> int:
    return sum(limit.wait_seconds(key) == 0 for _ in range(attempts))


def test_a_burst_is_let_through_then_the_rate(clock: Clock) -> None:
    limit = RateLimit("user", 20, 100, clock_ns=clock)
    assert taken(limit, 150) == 100
    clock.pass_seconds(1)
    assert taken(limit, 150) == 20
    clock.pass_seconds(0.05)
    assert taken(limit, 2) == 1
    clock.pass_seconds(3600)
    assert taken(limit, 150) == 100, "a pause fills the bucket, and no more than that"


def test_one_key_does_not_pay_for_another(clock: Clock) -> None:
    limit = RateLimit("user", 1, 3, clock_ns=clock)
    assert taken(limit, 5, "a") == 3
    assert taken(limit, 5, "b") == 3


@pytest.mark.parametrize(("per_second", "seconds"), [(0.1, 10), (0.4, 3), (1, 1), (7, 1), (1000, 1)])
def test_the_wait_is_whole_seconds_rounded_up_and_enough(clock: Clock, per_second: float, seconds: int) -> None:
    limit = RateLimit("user", per_second, 1, clock_ns=clock)
    assert [limit.wait_seconds("a"), limit.wait_seconds("a")] == [0, seconds]
    clock.pass_seconds(seconds)
    assert limit.wait_seconds("a") == 0


def test_who_is_refused_and_goes_on_does_not_wait_longer_for_it(clock: Clock) -> None:
    limit = RateLimit("user", 1, 2, clock_ns=clock)
    taken(limit, 2)
    for _ in range(9):
        clock.pass_seconds(0.1)
        assert limit.wait_seconds("a") == 1
    clock.pass_seconds(0.1)
    assert limit.wait_seconds("a") == 0


@given(
    st.integers(min_value=1, max_value=300),
    st.integers(min_value=1, max_value=50),
    st.lists(st.integers(min_value=0, max_value=SECOND_NS), max_size=60),
)
def test_no_stretch_of_time_lets_more_through_than_the_burst_and_its_rate(per_second: int, burst: int, pauses_ns: list[int]) -> None:
    clock = Clock()
    limit = RateLimit("user", per_second, burst, clock_ns=clock)
    taken_at: list[int] = []
    for pause_ns in pauses_ns:
        clock.now_ns += pause_ns
        taken_at += [clock.now_ns] * taken(limit, 3)
    for first, began in enumerate(taken_at):
        for last, ended in enumerate(taken_at[first:], first):
            # An interval is a whole number of nanoseconds: at most half of one is lost to each request.
            assert last - first + 1 <= burst + (ended - began) * (per_second * (1 + 1e-6)) / SECOND_NS + 1e-6


def test_memory_is_bounded_and_the_key_not_heard_of_for_longest_is_forgotten(clock: Clock) -> None:
    limit = RateLimit("address", 1, 2, keys_max=1_000, clock_ns=clock)
    taken(limit, 2, "busy")
    taken(limit, 2, "quiet")
    for number in range(5_000):
        assert limit.wait_seconds(f"key {number}") == 0
        assert limit.wait_seconds("busy") == 1, "who goes on asking cannot be flushed out"
        assert len(limit) <= 1_000
    assert len(limit) == 1_000
    assert limit.wait_seconds("quiet") == 0
    assert len(limit) == 1_000


def test_the_problem_says_how_long_to_wait_and_what_is_allowed(clock: Clock) -> None:
    limit = RateLimit("user", 0.5, 1, clock_ns=clock)
    limit.require("user:1")
    with pytest.raises(Problem) as refused:
        limit.require("user:1")
    assert (refused.value.code, refused.value.headers) == ("too_many_requests", {"Retry-After": "2"})
    assert "0.5 requests a second, 1 at once, for one user" in refused.value.detail


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", UNREADABLE),
        ("_hidden", UNREADABLE),
        ("203.0.113.9, 10.0.0.1", UNREADABLE),
        ("9" * 60_000, UNREADABLE),
    ],
)
def test_an_address_counts_for_itself_and_ipv6_for_its_network(host: str, key: str) -> None:
    assert address_key((host, 443)) == key
    assert address_key(None) == UNREADABLE
