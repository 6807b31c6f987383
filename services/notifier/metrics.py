"""Shows the notifier's counts to Prometheus, read when it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from services.notifier.counts import Counts

_GAUGES: Final = {
    "sockets": ("purser_sockets_open", "Open sockets"),
    "sockets_slow": ("purser_sockets_slow", "Open sockets with a full write buffer"),
}
_COUNTERS: Final = {
    "frames": ("purser_frames_sent", "Frames written"),
    "snapshots": ("purser_snapshots_sent", "Frames that were snapshots"),
    "changes_coalesced": ("purser_changes_coalesced", "Changes that shared a frame with a newer one"),
    "changes_truncated": ("purser_changes_truncated", "Changes that no frame listed, for a slow socket had too many waiting"),
    "notices_overtaken": ("purser_notices_overtaken", "Repeats and older states of payments and withdrawals, told to nobody"),
    "notices_dropped": ("purser_notices_dropped", "States of payments and withdrawals that a socket had no room for"),
    "gaps": ("purser_version_gaps", "Missing versions that were given up"),
    "slow_dropped": ("purser_slow_sockets_dropped", "Sockets closed for being slow too long"),
    "talkative_dropped": ("purser_talkative_sockets_dropped", "Sockets cut off for sending too much"),
    "tickets_refused": ("purser_tickets_refused", "Sockets closed with 4401 at opening"),
    "origins_refused": ("purser_origins_refused", "Handshakes refused for their origin"),
    "overload_refused": ("purser_sockets_refused", "Sockets refused for a limit, or for want of broker or wallet"),
}


class CountsCollector(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for field, (name, text) in _GAUGES.items():
            yield GaugeMetricFamily(name, text, value=getattr(self._counts, field))
        for field, (name, text) in _COUNTERS.items():
            yield CounterMetricFamily(name, text, value=getattr(self._counts, field))
