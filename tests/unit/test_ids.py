"""Ids are UUIDs of version 7: time first, and nobody guesses one from another, not even from its neighbour of the same millisecond."""

from __future__ import annotations

import time
from collections import defaultdict
from itertools import pairwise
from uuid import RFC_4122, UUID

from shared.contracts.base import new_id

IDS = 5_000
_RANDOM_BITS = [bit for bit in range(76) if bit not in (62, 63)]
"""All below the version, but the variant's two (RFC 9562, 5.7)."""


def millisecond(made: UUID) -> int:
    return made.int >> 80


def test_an_id_is_of_version_7_and_begins_with_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_id() for _ in range(IDS)]
    after = time.time_ns() // 1_000_000

    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}
    assert all(before <= millisecond(one) <= after for one in made)
    assert len(set(made)) == IDS


def test_ids_of_one_millisecond_have_every_other_bit_of_their_own() -> None:
    made = [new_id() for _ in range(IDS)]
    differing: dict[int, int] = defaultdict(int)
    pairs = [(one, other) for one, other in pairwise(made) if millisecond(one) == millisecond(other)]
    for one, other in pairs:
        for bit in _RANDOM_BITS:
            differing[bit] += (one.int ^ other.int) >> bit & 1

    assert len(pairs) > IDS // 2
    assert all(0.4 < differing[bit] / len(pairs) < 0.6 for bit in _RANDOM_BITS), "no bit is a counter's"
