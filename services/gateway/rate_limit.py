"""How many requests a second one user, or one address, may make of this replica: a token bucket a key, bounded in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from prometheus_client import Counter

from services.gateway.problems import Problem

KEYS_MAX: Final = 50_000
"""Some 10 MB when all are in use."""

UNREADABLE: Final = "unreadable"
"""All addresses that are none, together: only a proxy that is trusted and passes nonsense on can bring one."""

_SECOND_NS: Final = 1_000_000_000
_ADDRESS_LENGTH_MAX: Final = 64
_NETWORK_BITS: Final = 64

_REFUSED: Final = Counter("purser_http_rate_limited_total", "Requests answered 429 for their rate", ("by",))


class RateLimit:
    """`per_second` requests a key in the long run, `burst` at once; both above 0. `by` names the kind of key in the metric and the problem.

    A key is kept as the moment at which its bucket will be full again (the generic cell rate algorithm, ITU-T I.371): one integer, and a
    bucket that is full is the same as none. So of too many keys, those not heard of for longest are forgotten; one who is refused and goes
    on is not.
    """

    def __init__(
        self, by: str, per_second: float, burst: int, *, keys_max: int = KEYS_MAX, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._refused = _REFUSED.labels(by)
        self._detail = f"at most {per_second:g} requests a second, {burst} at once, for one {by}; nothing was done"
        self._request_ns = max(round(_SECOND_NS / per_second), 1)
        self._burst_ns = burst * self._request_ns
        self._keys_max = keys_max
        self._clock_ns = clock_ns
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_seconds(self, key: str) -> int:
        """0 when the key has a request left, which is taken; else the whole seconds until it has one, and nothing is taken."""
        now = self._clock_ns()
        full_at = self._full_at.get(key)
        if full_at is None:
            if len(self._full_at) >= self._keys_max:
                self._full_at.popitem(last=False)
            full_at = now
        else:
            self._full_at.move_to_end(key)
        after = max(full_at, now) + self._request_ns
        missing_ns = after - now - self._burst_ns
        if missing_ns > 0:
            return -(-missing_ns // _SECOND_NS)
        self._full_at[key] = after
        return 0

    def require(self, key: str) -> None:
        """Takes one of the key's requests; the problem too_many_requests, with Retry-After, when there is none."""
        wait = self.wait_seconds(key)
        if wait:
            self._refused.inc()
            raise Problem("too_many_requests", self._detail, headers={"Retry-After": str(wait)})


def address_key(client: tuple[str, int] | None) -> str:
    """What a client's address counts as: IPv4 itself; IPv6 its /64, since every subscriber is given at least that many (RFC 6177)."""
    host = client[0] if client else ""
    # Before the cache: a trusted proxy may hand on a header of any length, which would be kept.
    return _address_key(host) if len(host) <= _ADDRESS_LENGTH_MAX else UNREADABLE


@lru_cache(maxsize=4_096)
def _address_key(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return UNREADABLE
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = int(address) >> _NETWORK_BITS << _NETWORK_BITS
    return f"{IPv6Address(network)}/{_NETWORK_BITS}"
