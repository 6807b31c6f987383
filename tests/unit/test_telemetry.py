"""A log line is one JSON object whatever is logged, names its service, and shows no secret; metrics are Prometheus' text."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from shared.contracts.payment_commands import CreateDeposit
from shared.delivery.failures import describe
from shared.health import Health
from shared.telemetry import configure_logging, metrics_text

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Logging as a service has it, for one test; the call gives what was written."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, write_through=True))
    root = logging.getLogger()
    before = root.handlers, root.level
    configure_logging("wallet", "INFO")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers, root.level = before


def test_a_line_is_one_json_object_with_service_level_time_and_correlation(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(correlation_id="request-1")
    structlog.get_logger().info("credited", payment_id=UUID(int=1), amount=Decimal("1.50"), note="first\nsecond \U0001f642")

    (line,) = lines()
    assert line["event"] == "credited"
    assert line["service"] == "wallet"
    assert line["level"] == "info"
    assert line["correlation_id"] == "request-1"
    assert line["payment_id"] == "00000000-0000-0000-0000-000000000001"
    assert line["amount"] == "1.50"
    assert line["note"] == "first\nsecond \U0001f642"
    assert line["timestamp"].endswith("Z")


def test_an_exception_shows_neither_the_row_nor_the_input_that_it_is_about(lines: Lines) -> None:
    row = asyncpg.CheckViolationError("new row violates a check")
    row.detail = "Failing row contains (private,\nprivate)."
    row.hint = "look at it"
    whose = "private" * 20
    with pytest.raises(ValidationError) as wrong:
        CreateDeposit.model_validate({"user_id": whose})
    for error in (wrong.value, row):
        structlog.get_logger().error("failed", exc_info=error)

    validation, postgres = lines()
    assert "private" not in f"{validation['exception']} {postgres['exception']}"
    assert "input_value=***" in validation["exception"]
    assert "new row violates a check" in postgres["exception"]
    assert "look at it" in postgres["exception"]


def test_a_reason_shows_neither_the_row_nor_the_input_that_it_is_about() -> None:
    row = asyncpg.CheckViolationError("new row violates a check")
    row.detail = "Failing row contains (private)."
    with pytest.raises(ValidationError) as wrong:
        CreateDeposit.model_validate({"user_id": "private" * 20})

    assert describe(row) == "CheckViolationError: new row violates a check"
    assert "private" not in describe(wrong.value)
    assert "user_id string_too_long" in describe(wrong.value)


def test_an_exception_stays_within_its_line(lines: Lines) -> None:
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        structlog.get_logger().exception("failed")

    (line,) = lines()
    assert "ValueError: no\nsuch thing" in line["exception"]


def test_secrets_are_masked_by_their_names(lines: Lines) -> None:
    structlog.get_logger().info(
        "request",
        password="p1",
        Authorization="p2",
        api_token="p3",
        SECRET_KEY="p4",
        set_cookie="p5",
        stripe_signature="p6",
        ticket="p7",
        user_id="8",
    )

    (line,) = lines()
    assert not [value for value in line.values() if value in {"p1", "p2", "p3", "p4", "p5", "p6", "p7"}]
    assert line["user_id"] == "8"


def test_secrets_are_masked_inside_of_what_is_logged_too(lines: Lines) -> None:
    given = {"headers": {"cookie": "p1", "accept": "json"}, "list": [{"Authorization": "p2"}]}
    structlog.get_logger().info("request", **given)

    (line,) = lines()
    assert line["headers"] == {"cookie": "***", "accept": "json"}
    assert line["list"] == [{"Authorization": "***"}]
    assert given["headers"] == {"cookie": "p1", "accept": "json"}, "what is logged is not changed by it"


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: "one"}, {("a", "b"): 1}, b"\xff", float("nan"), {"\udcff": 1}, object], ids=repr)
def test_what_json_cannot_say_is_logged_all_the_same(value: Any, lines: Lines) -> None:
    structlog.get_logger().info("odd", value=value)
    logging.getLogger("library").warning("odd %s", "too", extra={"value": value})

    assert [line["event"] for line in lines()] == ["odd", "odd too"]


def test_a_librarys_own_log_has_the_same_form(lines: Lines) -> None:
    logging.getLogger("aiormq.connection").warning("connection %r was lost", "one")
    logging.getLogger("aiormq.connection").info("chatter")

    (line,) = lines()
    assert line["event"] == "connection 'one' was lost"
    assert line["service"] == "wallet"
    assert line["level"] == "warning"


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("detail")

    assert lines() == []


def test_metrics_are_prometheus_text() -> None:
    counter = Counter("purser_test_things_total", "Things of this test", ["kind"])
    counter.labels('odd "kind"\n').inc(3)

    families = {family.name: family for family in text_string_to_metric_families(metrics_text().decode())}
    (sample,) = [sample for sample in families["purser_test_things"].samples if sample.name.endswith("_total")]
    assert sample.value == 3
    assert sample.labels == {"kind": 'odd "kind"\n'}


async def test_health_tells_each_dependence_without_its_secrets() -> None:
    async def well() -> None: ...

    async def ill() -> None:
        raise ConnectionError("amqp://user:password@host is gone")

    report = await Health("wallet", {"database": well, "broker": ill}).report()

    assert SimpleNamespace(ready=report.ready, checks=report.checks) == SimpleNamespace(
        ready=False, checks={"database": "ok", "broker": "ConnectionError"}
    )
