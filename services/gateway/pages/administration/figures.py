"""A day's money by currency, as an operator reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.contracts.operator import Figure, FiguresView, Held, Waiting, WaitingFor


@dataclass(frozen=True, slots=True)
class Line:
    """`name`: a provider's, or what the money went out as."""

    name: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Sum:
    """One currency's, and what it is made of, the largest first."""

    currency: str
    amount_minor: int
    count: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class WaitingSum:
    """What waits for the same, in all currencies."""

    waits_for: WaitingFor
    count: int
    by_currency: tuple[Waiting, ...]


WAITING_ORDER: tuple[WaitingFor, ...] = ("approval", "payment_by_hand", "decision", "provider", "payer")
"""What an operator has to do first."""


def paid_in(view: FiguresView, first: str) -> tuple[Sum, ...]:
    return _sums(((one.currency, Line(one.method, one.count, one.amount_minor)) for one in view.paid_in), first)


def paid_out(view: FiguresView, first: str) -> tuple[Sum, ...]:
    """Refunds and withdrawals."""
    kinds: tuple[tuple[str, tuple[Figure, ...]], ...] = (("refund", view.refunded), ("withdrawal", view.withdrawn))
    return _sums(((one.currency, Line(kind, one.count, one.amount_minor)) for kind, figures in kinds for one in figures), first)


def held_by_currency(held: Iterable[Held], first: str) -> list[Held]:
    return sorted(held, key=lambda one: (one.currency != first, one.currency))


def waiting(view: FiguresView, first: str) -> tuple[WaitingSum, ...]:
    found = []
    for waits_for in WAITING_ORDER:
        of_it = [one for one in view.waiting if one.waits_for == waits_for]
        ordered = sorted(of_it, key=lambda one: (one.currency != first, one.currency))
        found.append(WaitingSum(waits_for, sum(one.count for one in of_it), tuple(ordered)))
    return tuple(found)


def _sums(lines: Iterable[tuple[str, Line]], first: str) -> tuple[Sum, ...]:
    """`first`: the currency that is told before the others. Lines of one name are added up."""
    by_currency: dict[str, dict[str, Line]] = {}
    for currency, line in lines:
        of_it = by_currency.setdefault(currency, {})
        known = of_it.get(line.name, Line(line.name, 0, 0))
        of_it[line.name] = Line(line.name, known.count + line.count, known.amount_minor + line.amount_minor)
    sums = []
    for currency in sorted(by_currency, key=lambda one: (one != first, one)):
        ordered = sorted(by_currency[currency].values(), key=lambda line: (-line.amount_minor, line.name))
        sums.append(Sum(currency, sum(line.amount_minor for line in ordered), sum(line.count for line in ordered), tuple(ordered)))
    return tuple(sums)
