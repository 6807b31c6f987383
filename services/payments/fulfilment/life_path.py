"""Numerology's life-path number of a date of birth."""

from __future__ import annotations

from datetime import date
from typing import Final

LIFE_PATHS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 22, 33)

_MASTERS: Final = (11, 22, 33)


def life_path(birth_date: date) -> int:
    """One of LIFE_PATHS. Day, month and year are each reduced first and then their sum, master numbers being left as they are:
    of the ways in use this is the most common one, and it differs from adding up all digits at once."""
    return _reduced(_reduced(birth_date.day) + _reduced(birth_date.month) + _reduced(birth_date.year))


def _reduced(number: int) -> int:
    while number > 9 and number not in _MASTERS:
        number = sum(int(digit) for digit in str(number))
    return number
