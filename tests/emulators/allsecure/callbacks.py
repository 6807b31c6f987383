"""Callbacks on their way: the retry table, the address they really go to, and the headers of each attempt."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from tests.emulators.allsecure.connectors import Behaviour
from tests.emulators.allsecure.signing import BodyHash, date_text, sign
from tests.emulators.deliveries import Attempt, Deliveries

RETRY_SECONDS: Final = (60, 300, 900, 3_600, 7_200, 10_800, 43_200, *[86_400] * 7)
"""IXOPAY, "Callbacks – Response handling"."""

_FIRST_TIMEOUT_SECONDS: Final = 10.0
_LATER_TIMEOUT_SECONDS: Final = 30.0


def new_deliveries(*, time_scale: float, seed: int) -> Deliveries:
    """Only HTTP 200 with the body `OK`, byte for byte, ends a callback."""
    return Deliveries(
        retry_seconds=RETRY_SECONDS,
        accepted=lambda status, body: status == 200 and body == b"OK",
        timeout_seconds=_FIRST_TIMEOUT_SECONDS,
        later_timeout_seconds=_LATER_TIMEOUT_SECONDS,
        time_scale=time_scale,
        seed=seed,
    )


def address_of(callback_url: str, webhooks_to: SplitResult | None) -> str | None:
    """Where a callback is sent: at `webhooks_to`'s host, or as named when that is this machine; None: it would leave this machine."""
    parts = urlsplit(callback_url)._replace(fragment="")
    if webhooks_to is not None:
        return urlunsplit(parts._replace(scheme=webhooks_to.scheme, netloc=webhooks_to.netloc))
    return urlunsplit(parts) if _is_this_machine(parts.hostname or "") else None


def target_of(callback_url: str) -> str:
    """Path and query, as they are signed."""
    parts = urlsplit(callback_url)
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))


class Signer:
    """One callback's headers, made anew for each attempt; `body_hash` is that of the request which began the transaction. `behaviour` is
    taken as it is now."""

    def __init__(self, *, secret: str, behaviour: Behaviour, body_hash: BodyHash, body: bytes, target: str) -> None:
        self._secret = secret
        self._behaviour = replace(behaviour)
        self._body_hash = body_hash
        self._body = body
        self._target = target
        self._first_date: str | None = None

    def __call__(self, attempt: Attempt) -> tuple[dict[str, str], bytes]:
        date = date_text(datetime.fromtimestamp(attempt.at, UTC))
        if not attempt.stale and not self._behaviour.renews_date:
            self._first_date = date = self._first_date or date
        signature = sign(
            self._secret + ("-of-nobody" if attempt.forged else ""),
            method="POST",
            body=self._body,
            content_type=self._behaviour.content_type,
            date=date,
            target=self._target,
            body_hash=self._body_hash,
        )
        return {"Content-Type": self._behaviour.content_type, "Date": date, "X-Date": date, "X-Signature": signature}, self._body


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
