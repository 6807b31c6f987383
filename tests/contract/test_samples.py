"""The contracts are frozen: one sample a message and version, which today's classes read and write without a difference."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared import contracts
from shared.contracts.base import Message, Reply
from shared.contracts.payment_commands import CommandReply, DepositCreated, Refused
from shared.contracts.payment_events import ProviderEventReceived
from shared.contracts.topology import EVENTS, ROUTES, WEBHOOKS

SAMPLES = Path(__file__).parent / "samples"


def typed_classes() -> dict[str, type[BaseModel]]:
    """Every message and reply of shared/contracts that has a `type`, by it."""
    found: dict[str, type[BaseModel]] = {}
    for module in pkgutil.iter_modules(contracts.__path__):
        for value in vars(importlib.import_module(f"shared.contracts.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, (Message, Reply)) and "type" in value.model_fields:
                name = value.model_fields["type"].default
                assert found.setdefault(name, value) is value, f"{name} is the type of two classes"
    return found


CLASSES = typed_classes()
EACH = pytest.mark.parametrize("name", sorted(CLASSES))


def sample(name: str) -> dict[str, Any]:
    value = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def test_every_class_has_its_sample_and_every_sample_its_class() -> None:
    assert {path.name.removesuffix(".json") for path in SAMPLES.iterdir()} == set(CLASSES)


@EACH
def test_a_sample_is_read_and_written_without_a_difference(name: str) -> None:
    frozen = sample(name)
    message = CLASSES[name].model_validate_json(json.dumps(frozen))

    assert json.loads(message.model_dump_json()) == frozen
    assert CLASSES[name].model_validate_json(message.model_dump_json()) == message


@EACH
def test_a_sample_shows_every_field(name: str) -> None:
    assert set(sample(name)) == set(CLASSES[name].model_fields)


@EACH
def test_unknown_fields_are_ignored_so_that_a_newer_sender_is_understood(name: str) -> None:
    frozen = sample(name)
    message = CLASSES[name].model_validate_json(json.dumps(frozen | {"a_field_of_tomorrow": {"deep": [1]}}))

    assert json.loads(message.model_dump_json()) == frozen


@EACH
def test_optional_fields_may_be_missing_so_that_an_older_sender_is_understood(name: str) -> None:
    fields = CLASSES[name].model_fields
    least = {field: value for field, value in sample(name).items() if fields[field].is_required()}

    CLASSES[name].model_validate_json(json.dumps(least))


@EACH
def test_a_required_field_is_required(name: str) -> None:
    for field, info in CLASSES[name].model_fields.items():
        if info.is_required():
            with pytest.raises(ValidationError):
                CLASSES[name].model_validate({key: value for key, value in sample(name).items() if key != field})


@EACH
def test_another_type_or_version_is_not_taken_for_this_one(name: str) -> None:
    with pytest.raises(ValidationError):
        CLASSES[name].model_validate(sample(name) | {"type": name.replace(".v1", ".v2")})


@EACH
def test_a_message_cannot_be_changed(name: str) -> None:
    message = CLASSES[name].model_validate(sample(name))
    with pytest.raises(ValidationError):
        message.type = "other"  # type: ignore[attr-defined]


@EACH
def test_its_name_is_its_version_and_its_routing_key(name: str) -> None:
    assert name.rpartition(".")[2].removeprefix("v").isdigit()
    cls = CLASSES[name]
    if issubclass(cls, Message):
        (route,) = [route for route in ROUTES if route.message is cls]
        assert route.key == name == cls.TYPE


def test_commands_and_questions_are_verb_noun_and_events_past_tense() -> None:
    for route in ROUTES:
        told = route.exchange in (EVENTS, WEBHOOKS)
        assert route.key.split(".v")[0].endswith("ed") == told, route.key


def test_every_answer_of_a_route_has_a_class() -> None:
    for route in ROUTES:
        for name in route.answers:
            assert issubclass(CLASSES[name], Reply)
    assert {name for route in ROUTES for name in route.answers} == {n for n, c in CLASSES.items() if issubclass(c, Reply)}


@pytest.mark.parametrize("name", ["deposit-created.v1", "refused.v1"])
def test_a_commands_reply_carries_its_answer_told_apart_by_type(name: str) -> None:
    reply: TypeAdapter[CommandReply[DepositCreated]] = TypeAdapter(CommandReply[DepositCreated])
    read = reply.validate_json(json.dumps({"replayed": True, "answer": sample(name)}))

    assert type(read.answer) is CLASSES[name]
    assert isinstance(read.answer, (DepositCreated, Refused))
    assert json.loads(read.model_dump_json()) == {"replayed": True, "answer": sample(name)}


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe", b"{}", bytes(range(256)) * 3], ids=len)
def test_a_providers_bytes_travel_exactly(body: bytes) -> None:
    fields = sample("provider-event.received.v1") | {"body": ""}
    received = ProviderEventReceived.model_validate(fields).model_copy(update={"body": body})

    assert ProviderEventReceived.model_validate_json(received.model_dump_json()).body == body


@pytest.mark.parametrize("value", [0, -1, 10**15 + 1, 1.0, "200", True, None], ids=repr)
def test_a_payments_sum_is_a_bounded_positive_integer(value: Any) -> None:
    for name in ("payment.completed.v1", "create-deposit.v1"):
        with pytest.raises(ValidationError):
            CLASSES[name].model_validate_json(json.dumps(sample(name) | {"amount_minor": value}))


@EACH
def test_a_time_without_a_zone_is_refused(name: str) -> None:
    for field, value in sample(name).items():
        if isinstance(value, str) and value.startswith("2026-11-21T"):
            with pytest.raises(ValidationError):
                CLASSES[name].model_validate_json(json.dumps(sample(name) | {field: value.removesuffix("Z")}))
