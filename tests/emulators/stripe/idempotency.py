"""Idempotency keys as the v1 API keeps them (https://docs.stripe.com/api/idempotent_requests)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.emulators.stripe.errors import Invalid, Refusal

DAY_SECONDS: Final = 86_400
_KEPT_MAX: Final = 100_000
_KEY_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time."""

    status: int
    body: bytes
    request_id: str


@dataclass(slots=True)
class _Kept:
    endpoint: str
    parameters: Mapping[str, Any]
    began: int
    answer: Answer | None = None


class IdempotencyKeys:
    """Of one account. `ttl_seconds`: after so long a key is new again. `now`: unix seconds."""

    def __init__(self, now: Callable[[], int], ttl_seconds: int = DAY_SECONDS) -> None:
        self._now = now
        self.ttl_seconds = ttl_seconds
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def begin(self, key: str, endpoint: str, parameters: Mapping[str, Any]) -> Answer | None:
        """The stored answer to replay, or none: execute, then `keep` or `forget`. Refusal: another's parameters (400), in use (409)."""
        if not 0 < len(key) <= _KEY_MAX:
            raise Invalid(f"Idempotency keys have between 1 and {_KEY_MAX} characters.")
        kept = self._kept.get(key)
        if kept is not None and kept.answer is not None and self._now() - kept.began >= self.ttl_seconds:
            del self._kept[key]
            kept = None
        if kept is None:
            self._kept[key] = _Kept(endpoint, parameters, self._now())
            self._shorten()
            return None
        if kept.endpoint != endpoint:
            raise _mismatch(f"for the same endpoint they were first used for ('{endpoint}' vs '{kept.endpoint}')", key)
        if kept.parameters != parameters:
            raise _mismatch("with the same parameters they were first used with", key)
        if kept.answer is None:
            message = f"There is currently another in-progress request using this idempotent key: {key}. Please try again later."
            raise Refusal(409, message, code="idempotency_key_in_use")
        return kept.answer

    def in_use(self, key: str) -> bool:
        """A request with it is being executed."""
        return key in self._kept and self._kept[key].answer is None

    def keep(self, key: str, answer: Answer) -> None:
        if key in self._kept:
            self._kept[key].answer = answer

    def forget(self, key: str) -> None:
        """Nothing was executed under it."""
        self._kept.pop(key, None)

    def _shorten(self) -> None:
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)


def _mismatch(what: str, key: str) -> Refusal:
    message = f"Keys for idempotent requests can only be used {what}. Try using a key other than '{key}' if you meant another request."
    return Refusal(400, message, kind="idempotency_error")
