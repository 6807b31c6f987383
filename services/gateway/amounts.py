"""Sums as people of each language write them, read exactly: grouping only where it can mean nothing else, never rounded. Pure."""

from __future__ import annotations

import re
from typing import Final

from shared.money import EXPONENTS, MalformedAmount, Money, currency_code, parse_major

LENGTH_MAX: Final = 60

# Each language's decimal sign, and what it sets between thousands beside spaces (Unicode CLDR).
_SIGNS: Final = {"en": (".", ","), "ru": (",", ""), "sr": (",", ".")}

_SPACES: Final = re.compile("[ \u00a0\u2009\u202f]")
_SHAPE: Final = re.compile(r"-?[0-9]+(?:[ .,][0-9]+)*", re.ASCII)
_MARKS: Final = re.compile(r"[ .,]")
_GROUP: Final = 3


class AmbiguousAmount(MalformedAmount):
    """The amount can be read in two ways a thousandfold apart: 1,234 where the comma is the decimal sign."""


def parse_amount(text: str, currency: str, locale: str) -> Money:
    """The sum (major units) that somebody who writes `locale` (en, ru, sr) means by `text`: 1,234.50 or 1.234,50 or 1 234,50 or 1234.5.

    Two different marks, or a mark that is repeated, say by themselves which is which. A single one before exactly three digits does not:
    it is read only as the language has it, and only where the currency leaves no doubt; else AmbiguousAmount. static/amounts.js reads the
    same. Other errors as of shared.money.parse_major: UnknownCurrency, MalformedAmount, TooManyDecimals, AmountOutOfRange.
    """
    code = currency_code(currency)
    plain = _SPACES.sub(" ", text[: LENGTH_MAX + 1]).strip().replace("\N{MINUS SIGN}", "-")
    if len(text) > LENGTH_MAX or not _SHAPE.fullmatch(plain):
        raise MalformedAmount("must be a number")
    return parse_major(_plain_decimal(plain, code, locale), code)


def _plain_decimal(text: str, currency: str, locale: str) -> str:
    marks = _MARKS.findall(text)
    kinds = list(dict.fromkeys(marks))
    if not marks:
        return text
    if len(kinds) == 1 and (len(marks) > 1 or kinds == [" "]):
        return _joined(text, kinds[0])
    if len(kinds) == 1:
        return _with_one_mark(text, marks[0], currency, locale)
    *_, last = marks
    if len(kinds) > 2 or last == " " or marks.count(last) > 1:
        raise MalformedAmount("must be a number with at most one decimal sign, its last mark")
    whole, _, fraction = text.rpartition(last)
    return f"{_joined(whole, kinds[0])}.{fraction}"


def _with_one_mark(text: str, mark: str, currency: str, locale: str) -> str:
    """Is it 1234, or 1 and 234 thousandths?"""
    decimal, grouping = _SIGNS[locale]
    whole, _, fraction = text.partition(mark)
    if not _is_grouped([whole, fraction]):
        return f"{whole}.{fraction}"
    # Nobody writes three decimals of a currency that has two: that sign has come from another language.
    has_thousandths = EXPONENTS[currency] == _GROUP
    if mark == decimal and has_thousandths:
        return f"{whole}.{fraction}"
    if mark == grouping and not has_thousandths:
        return whole + fraction
    raise AmbiguousAmount("can be read in two ways")


def _joined(text: str, mark: str) -> str:
    groups = text.split(mark)
    if not _is_grouped(groups):
        raise MalformedAmount("must have three digits a group")
    return "".join(groups)


def _is_grouped(groups: list[str]) -> bool:
    first, *others = groups
    digits = first.removeprefix("-")
    return 1 <= len(digits) <= _GROUP and not digits.startswith("0") and all(len(group) == _GROUP for group in others)
