"""A run is drawn from its seed, whole, before it begins; whatever can be drawn can be played."""

from __future__ import annotations

from collections import Counter

from tests.mixed import sequels, stories
from tests.mixed.plan import BEHAVIOURS, EXPONENTS, SEQUELS, draw, major, part


def test_one_seed_one_plan() -> None:
    assert draw(200, 1) == draw(200, 1) != draw(200, 2)


def test_everything_that_can_be_drawn_is_drawn_and_played() -> None:
    plan = draw(10_000, 3)

    drawn = {(story.provider, story.behaviour) for story in plan.stories}
    assert drawn >= {(provider, behaviour) for provider, weights in BEHAVIOURS.items() for behaviour in weights}
    by_hand = {"another_session_pays", "both_sessions_pay"}
    assert {behaviour for _, behaviour in drawn} == stories.PLAYED | by_hand
    followed = {(story.provider, story.sequel) for story in plan.stories}
    assert followed >= {(provider, sequel) for provider, weights in SEQUELS.items() for sequel in weights}
    assert {sequel for _, sequel in followed} == sequels.PLAYED | {"nothing"}
    kinds = Counter(story.kind for story in plan.stories)
    assert min(kinds.values()) > 1_500
    assert {story.currency for story in plan.stories} == set(EXPONENTS)
    assert min(story.amount_minor for story in plan.stories) >= 300


def test_sums_are_written_as_their_currency_has_them() -> None:
    assert (major(1_050, "eur"), major(1_050, "jpy"), major(1_050, "kwd")) == ("10.50", "1050", "1.050")
    assert (part(1_000, 0.333, "eur"), part(1_000, 0.333, "kwd"), part(7, 0.01, "jpy")) == (333, 330, 1)
