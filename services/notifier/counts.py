"""What the notifier counts, as plain integers on the hot path; metrics.py shows them to Prometheus."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    sockets: int = 0
    """Open now, handshake done."""
    sockets_slow: int = 0
    """Open now, with a full write buffer."""
    frames: int = 0
    snapshots: int = 0
    changes_coalesced: int = 0
    """Changes that shared a frame with a newer one."""
    changes_truncated: int = 0
    """Changes that no frame listed, because a slow socket had too many waiting."""
    notices_overtaken: int = 0
    """Repeats and older states of payments and withdrawals, which nobody was told."""
    notices_dropped: int = 0
    """States of payments and withdrawals that a socket was not told, because too many were waiting."""
    gaps: int = 0
    """Waits for a missing version that ended without it."""
    slow_dropped: int = 0
    """Sockets closed for being slow too long."""
    talkative_dropped: int = 0
    """Sockets cut off because their clients sent too many bytes."""
    tickets_refused: int = 0
    """4401 at opening: no, bad, expired or used ticket, or bad token."""
    origins_refused: int = 0
    overload_refused: int = 0
    """Sockets above a limit, and those opened while the broker or wallet did not answer."""
