"""API keys and API versions: who may call what, and what a version no longer takes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.emulators.stripe.errors import Invalid, Refusal, Unauthorized
from tests.emulators.stripe.operations import Operation

_VERSION: Final = re.compile(r"(20[0-9]{2}-[0-9]{2}-[0-9]{2})(\.[a-z_]+)?(;.*)?")
# https://docs.stripe.com/changelog: from this version on, methods come from the account's settings.
_WITHOUT_METHOD_TYPES: Final = "2026-09-30"
_MUST_BE_SECRET: Final = "This API call cannot be made with a publishable API key. Please use a secret API key."
_NO_KEY: Final = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """`restricted` may only read."""

    secret: str = "sk_test_emulator"
    publishable: str = "pk_test_emulator"
    restricted: str = "rk_test_emulator"


def authorize(header: str | None, in_body: Any, keys: ApiKeys, operation: Operation) -> bool:
    """Whether the call is a browser's. Unauthorized: no key, or not ours; Refusal 403: a restricted key that would write."""
    sent = _key_of(header) if header is not None else in_body if isinstance(in_body, str) else ""
    if sent == keys.secret:
        return False
    if sent == keys.publishable:
        if operation.public_spec is None:
            raise Unauthorized(_MUST_BE_SECRET, code="secret_key_required")
        return True
    if sent == keys.restricted:
        if operation.method == "GET":
            return False
        refusal = Refusal(403, f"The provided key '{_masked(sent)}' does not have the required permissions for this endpoint.")
        refusal.stored = False
        raise refusal
    raise Unauthorized(f"Invalid API Key provided: {_masked(sent)}" if sent else _NO_KEY)


def check_version(version: str, sent: Mapping[str, Any]) -> None:
    """Invalid: no version, or a parameter that this version has no longer."""
    matched = _VERSION.fullmatch(version)
    if matched is None:
        raise Invalid(f"Invalid Stripe API version: {version}.")
    if "payment_method_types" in sent and matched[1] >= _WITHOUT_METHOD_TYPES:
        message = "The `payment_method_types` parameter is no longer supported: leave it out, or use `allowed_payment_method_types`."
        raise Invalid(message, code="payment_method_types_no_longer_supported", param="payment_method_types")


def _key_of(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value.strip() if scheme.lower() == "bearer" else ""


def _masked(key: str) -> str:
    return key[:8] + "*" * 8 + key[-4:] if len(key) > 12 else "*" * len(key)
