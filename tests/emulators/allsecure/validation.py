"""Reads a transaction call's JSON as the gateway does: what does not fit is refused with code 1002 before a transaction exists; pure.

Lengths and patterns: Till Payments' OpenAPI description of the same platform. Fields that are not known are let pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tests.emulators.allsecure.amounts import BadAmount, minor_units
from tests.emulators.allsecure.transactions import PAYER_DECIDES, Kind, Refusal, Request

VALIDATION: Final = 1002

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_BIRTH_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{2}")
_URL_MAX: Final = 2048
_INDICATORS: Final = frozenset(
    {"SINGLE", "INITIAL", "RECURRING", "CARDONFILE", "CARDONFILE-MERCHANT-INITIATED", "FIRST-CARDONFILE", "MOTO"},
)
_WITH_SUM: Final = frozenset({Kind.DEBIT, Kind.PREAUTHORIZE, Kind.CAPTURE, Kind.REFUND, Kind.PAYOUT, Kind.INCREMENTAL_AUTHORIZATION})
_ABOUT_ANOTHER: Final = frozenset({Kind.CAPTURE, Kind.VOID, Kind.REFUND, Kind.DEREGISTER, Kind.INCREMENTAL_AUTHORIZATION})


def read_request(kind: Kind, body: bytes) -> Request:
    """The call's meaning. Refusal with code 1002 otherwise."""
    fields = _object(body)
    amount_minor, currency = _sum(fields) if kind in _WITH_SUM else (None, None)
    request = Request(
        kind=kind,
        merchant_transaction_id=_needed(_text(fields, "merchantTransactionId", longest=50), "merchantTransactionId"),
        amount_minor=amount_minor,
        currency=currency,
        reference_uuid=_text(fields, "referenceUuid", longest=40),
        token=_text(fields, "transactionToken", longest=255),
        success_url=_url(fields, "successUrl"),
        cancel_url=_url(fields, "cancelUrl"),
        error_url=_url(fields, "errorUrl"),
        callback_url=_url(fields, "callbackUrl"),
        description=_text(fields, "description", longest=255),
        meta_data=_text(fields, "merchantMetaData", longest=255),
        with_register=_flag(fields, "withRegister"),
        customer=_customer(fields),
    )
    _check_rest(fields)
    _check_target(request)
    return request


def _check_target(request: Request) -> None:
    if request.kind in _ABOUT_ANOTHER:
        _needed(request.reference_uuid, "referenceUuid")
    if request.kind is Kind.PAYOUT and request.reference_uuid is None and request.token is None:
        raise Refusal(VALIDATION, "a payout needs referenceUuid or transactionToken")
    if request.kind in PAYER_DECIDES and request.reference_uuid is None and request.token is None:
        for url, name in ((request.success_url, "successUrl"), (request.cancel_url, "cancelUrl"), (request.error_url, "errorUrl")):
            _needed(url, name)


def _check_rest(fields: Mapping[str, Any]) -> None:
    indicator = _text(fields, "transactionIndicator", longest=40)
    if indicator is not None and indicator not in _INDICATORS:
        raise Refusal(VALIDATION, "transactionIndicator is none of the known ones")
    language = _text(fields, "language", longest=2)
    if language is not None and _LANGUAGE.fullmatch(language) is None:
        raise Refusal(VALIDATION, "language is not two letters")
    for name in ("additionalId1", "additionalId2"):
        _text(fields, name, longest=255)
    extra = fields.get("extraData")
    if extra is not None and not (isinstance(extra, dict) and all(isinstance(value, str) for value in extra.values())):
        raise Refusal(VALIDATION, "extraData is not a map of strings")


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body.decode())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise Refusal(VALIDATION, "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refusal(VALIDATION, "the body is not a JSON object")
    return fields


def _sum(fields: Mapping[str, Any]) -> tuple[int, str]:
    currency = _needed(_text(fields, "currency", longest=3), "currency")
    if _CURRENCY.fullmatch(currency) is None:
        raise Refusal(VALIDATION, "currency is not three capital letters")
    text = _needed(_text(fields, "amount", longest=14), "amount")
    try:
        amount_minor = minor_units(text, currency)
    except BadAmount as error:
        raise Refusal(VALIDATION, f"amount: {error}") from None
    if not amount_minor:
        raise Refusal(VALIDATION, "amount is zero")
    return amount_minor, currency


def _customer(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    customer = fields.get("customer")
    if customer is None:
        return None
    if not isinstance(customer, dict):
        raise Refusal(VALIDATION, "customer is not an object")
    _text(customer, "identification", longest=36)
    for name in ("firstName", "lastName", "company", "billingAddress1", "billingAddress2", "billingCity", "billingPostcode", "email"):
        _text(customer, name, longest=255)
    _shaped(customer, "birthDate", _BIRTH_DATE.fullmatch, "YYYY-MM-DD")
    for name in ("billingCountry", "shippingCountry"):
        _shaped(customer, name, _COUNTRY.fullmatch, "two capital letters")
    return customer


def _shaped(fields: Mapping[str, Any], name: str, fits: Callable[[str], object], shape: str) -> None:
    value = _text(fields, name, longest=255)
    if value is not None and not fits(value):
        raise Refusal(VALIDATION, f"{name} is not {shape}")


def _text(fields: Mapping[str, Any], name: str, *, longest: int) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refusal(VALIDATION, f"{name} is not a string")
    if not value or len(value) > longest:
        raise Refusal(VALIDATION, f"{name} has not 1 to {longest} characters")
    return value


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(VALIDATION, f"{name} is not a boolean")
    return value


def _url(fields: Mapping[str, Any], name: str) -> str | None:
    value = _text(fields, name, longest=_URL_MAX)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and value.isascii() and value.isprintable() and " " not in value
    except ValueError:
        fits = False
    if not fits:
        raise Refusal(VALIDATION, f"{name} is not an http or https URL")
    return value


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise Refusal(VALIDATION, f"{name} is required")
    return value
