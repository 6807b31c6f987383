"""How often providers were asked, and what came of it."""

from __future__ import annotations

from typing import Final, Literal

from prometheus_client import Counter

Outcome = Literal["ok", "refused", "rate_limited", "credentials", "unknown"]
"""Of one request: an answer; an explicit no; refused unserved, as too many or for who asks; nothing that tells (timeout, 5xx, cut,
unreadable)."""

CALLS: Final = Counter("purser_provider_calls_total", "Requests to providers by what came of them", ["provider", "operation", "outcome"])


def count(provider: str, operation: str, outcome: Outcome) -> None:
    CALLS.labels(provider, operation, outcome).inc()
