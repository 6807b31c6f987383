"""The text of each frame (JSON, UTF-8): pure, and made once for all the sockets that get it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

import orjson

from shared.contracts.wallet_events import BalanceChanged
from shared.money import major_text

# Microseconds and offsets differ between senders; a client sees one form: RFC 3339 with Z.
_OPTIONS: Final = orjson.OPT_UTC_Z


@dataclass(frozen=True, slots=True)
class Balance:
    """A user's balance in one currency (ISO 4217, lower case) as of `version`; amounts in minor units."""

    currency: str
    available_minor: int
    held_minor: int
    version: int


def snapshot_text(balances: Iterable[Balance]) -> bytes:
    """`balance.snapshot`: everything that a client has to know, in order of currency."""
    items = [_amounts(b.currency, b.available_minor, b.held_minor, b.version) for b in sorted(balances, key=lambda b: b.currency)]
    return orjson.dumps({"type": "balance.snapshot", "balances": items}, option=_OPTIONS)


def updated_text(changes: Sequence[BalanceChanged], *, truncated: bool) -> bytes:
    """`balance.updated` for `changes` of one account, oldest first, at least one; the fields beside `changes` are the newest one's.
    `truncated`: there were more since the last frame than `changes` can list."""
    newest = changes[-1]
    frame: dict[str, Any] = {
        "type": "balance.updated",
        **_amounts(newest.currency, newest.available_minor, newest.held_minor, newest.version),
        "change": _major(newest.change_minor, newest.currency),
        "change_minor": newest.change_minor,
        "kind": newest.kind,
        "payment_id": newest.payment_id,
        # Pydantic's own time zone class is not one that orjson knows.
        "occurred_at": newest.occurred_at.astimezone(UTC),
        "changes": [{"version": c.version, "change_minor": c.change_minor, "kind": c.kind, "payment_id": c.payment_id} for c in changes],
    }
    if truncated:
        frame["changes_truncated"] = True
    return orjson.dumps(frame, option=_OPTIONS)


def _amounts(currency: str, available_minor: int, held_minor: int, version: int) -> dict[str, Any]:
    return {
        "currency": currency,
        "available": _major(available_minor, currency),
        "available_minor": available_minor,
        "held": _major(held_minor, currency),
        "held_minor": held_minor,
        "version": version,
    }


def _major(amount_minor: int, currency: str) -> orjson.Fragment:
    """Major units as a JSON number with all of the currency's decimals (2000.00): the exact text, which no float has touched."""
    return orjson.Fragment(major_text(amount_minor, currency))
