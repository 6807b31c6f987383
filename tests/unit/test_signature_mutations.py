"""Thousands of changed webhooks of every provider: none is taken that says anything else than what was signed."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from services.gateway.signatures.base import SignatureError
from tests.mutations import GENERAL
from tests.signature_subjects import SUBJECTS, Subject


def attempt(rng: Random, subject: Subject) -> str:
    """What became of one changed webhook: `refused`, `same` (taken, and it says what was signed), or `unchanged`."""
    original = rng.choice(subject.originals)
    forbidden = rng.random() < 0.15
    if forbidden:
        mutant = rng.choice(subject.forbidden)(rng, original)
    else:
        mutant = original
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            mutant = rng.choice(GENERAL if rng.random() < 0.6 else subject.rewrites)(rng, mutant)
    if mutant == original:
        return "unchanged"
    try:
        event = subject.verify(mutant)
    except SignatureError:
        return "refused"
    assert not forbidden, mutant
    assert subject.message(mutant) == subject.message(original), mutant
    assert event.body == mutant.body
    return "same"


def tally(subject: Subject, seed: Any, count: int) -> dict[str, int]:
    rng = Random(seed)
    outcomes = {"refused": 0, "same": 0, "unchanged": 0}
    while outcomes["refused"] + outcomes["same"] < count:
        outcomes[attempt(rng, subject)] += 1
    return outcomes


@pytest.mark.parametrize("provider", SUBJECTS)
def test_what_is_changed_stays_authentic(provider: str) -> None:
    """Else the refusals below would prove nothing."""
    for original in SUBJECTS[provider].originals:
        assert SUBJECTS[provider].verify(original).body == original.body


@pytest.mark.parametrize("provider", SUBJECTS)
def test_five_thousand_changed_webhooks(provider: str) -> None:
    outcomes = tally(SUBJECTS[provider], 7, 5_000)
    assert outcomes["refused"] > 3_000
    # Some changes are none, like a header nobody reads: those show that the others are refused for what they say.
    assert outcomes["same"] > 100


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("provider", SUBJECTS)
def test_a_million_changed_webhooks(provider: str) -> None:
    outcomes = tally(SUBJECTS[provider], f"{provider} a million", 1_000_000)
    assert outcomes["refused"] > 600_000
