"""Logs as JSON lines with the correlation id, and metrics in Prometheus' text form."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import orjson
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_SECRET_WORDS: Final = ("password", "secret", "token", "authorization", "cookie", "signature", "ticket")
_DEPTH_MAX: Final = 6
_VALUES: Final = re.compile(r"(?<=^DETAIL:).*?(?=^HINT:|^\s*$|\Z)|(?<=input_value=).*?(?=, input_type=)", re.MULTILINE | re.DOTALL)


def configure_logging(service: str, level: str = "INFO") -> None:
    """One JSON object a line on stdout, from structlog and from the libraries' own loggers; secrets by their names are masked."""
    number = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _without_values, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_values,
                structlog.processors.JSONRenderer(serializer=lambda event, **_: _dumps(event).decode()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING))


def metrics_text() -> bytes:
    """This process's metrics (content type METRICS_CONTENT_TYPE)."""
    return generate_latest(REGISTRY)


def _dumps(event: Mapping[str, Any], **_: Any) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:
        # Lone surrogates, huge integers, keys that are no text: a log line must not fail the work that it tells of.
        return json.dumps(_sayable(event, _DEPTH_MAX)).encode()


def _sayable(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping) and depth:
        return {str(name): _sayable(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)) and depth:
        return [_sayable(inner, depth - 1) for inner in value]
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def _named(service: str) -> Any:
    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return add_service


def _without_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # PostgreSQL's errors show the row, Pydantic's the input: somebody's data, or a secret.
    if isinstance(event.get("exception"), str):
        event["exception"] = _VALUES.sub("***", event["exception"])
    return event


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        event[name] = _masked(name, value, _DEPTH_MAX)
    return event


def _masked(name: Any, value: Any, depth: int) -> Any:
    if isinstance(name, str) and any(word in name.lower() for word in _SECRET_WORDS):
        return "***"
    if depth and isinstance(value, dict):
        return {inner_name: _masked(inner_name, inner, depth - 1) for inner_name, inner in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [_masked("", inner, depth - 1) for inner in value]
    return value
