"""RETENTION_DAYS: how long personal data is kept after its end, and what it may not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.payments.config import PaymentsSettings

GOOD: dict[str, Any] = {
    "_env_file": None,
    "amqp_url": "amqp://user:password@localhost/",
    "database_url": "postgresql://role:password@localhost/purser",
    "secret_key": "mB3v9QxT7kLw2ZrY8hNc5JfD1sGp6VuA",
    "data_keys": "AuV6pGs1DfJ5cNh8YrZ2wLk7TxQ9v3Bm",
}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in PaymentsSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_it_is_four_hundred_days_unless_the_operator_says_otherwise() -> None:
    assert PaymentsSettings(**GOOD).retention_days == 400
    assert PaymentsSettings(**GOOD, retention_days="30").retention_days == 30


@pytest.mark.parametrize("days", ["29", "0", "-1", "36501", "1.5", "forever"])
def test_what_is_none_or_too_short_for_a_dispute_stops_the_start(days: str) -> None:
    with pytest.raises(ValidationError, match="retention_days"):
        PaymentsSettings(**GOOD, retention_days=days)
