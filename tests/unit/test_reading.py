"""A text that was made for an order is set in type: no word is lost, and headings, lists and named lines are found."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pages.reading import Block, Line, typeset
from services.payments.fulfilment.base import LOCALES, FulfilmentOrder
from services.payments.fulfilment.chakra_texts import CHAKRAS
from services.payments.fulfilment.chakras import Chakras


@pytest.mark.parametrize("locale", LOCALES)
def test_a_chakra_reading_has_its_title_headings_asides_and_a_plan(locale: str) -> None:
    points = tuple({"chakra": chakra, "value": value} for chakra, value in zip(CHAKRAS, (3, 5, 5, 8, 6, 6, 3), strict=True))
    order = FulfilmentOrder("1", "chakras", locale, points, date(1990, 5, 17), date(2026, 11, 21))  # type: ignore[arg-type]
    blocks = list(typeset(Chakras().fulfil(order)))

    kinds = [block.kind for block in blocks]
    assert (kinds[0], kinds.count("title")) == ("title", 1)
    assert kinds.count("heading") == len(CHAKRAS) + 4, "one a point; strengths, balance, date of birth, plan"
    asides = [block for block in blocks if block.kind == "paragraph" and block.lines[0].name]
    assert len(asides) == len(CHAKRAS), "the practices"
    assert len({block.lines[0].name for block in asides}) == 1
    plan = [block for block in blocks if block.kind == "lines"][-1]
    assert len(plan.lines) == 7
    assert all(line.name for line in plan.lines)


def test_a_deployers_own_text_is_shown_as_it_is() -> None:
    assert list(typeset("Voucher A-17\n\nShow it at the door.\n \n\nBring:\n a coat\n good shoes")) == [
        Block("title", (Line("", "Voucher A-17"),)),
        Block("paragraph", (Line("", "Show it at the door."),)),
        Block("lines", (Line("", "Bring:"), Line("", "a coat"), Line("", "good shoes"))),
    ]
    assert list(typeset("Thank you. It is on its way.")) == [Block("paragraph", (Line("", "Thank you. It is on its way."),))]
    assert list(typeset("")) == []


@given(st.text(alphabet=st.sampled_from("aБč1.:!? \n()"), max_size=200))
def test_no_word_is_lost(text: str) -> None:
    shown = " ".join(f"{line.name} {line.text}" for block in typeset(text) for line in block.lines)

    assert shown.split() == text.split()
