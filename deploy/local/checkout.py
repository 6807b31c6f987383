"""What belongs to this checkout: its `.local` folder, its settings, and the lock that keeps two runs apart."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

from deploy.local.errors import LocalError
from deploy.local.services import PROJECT

LOCAL = PROJECT / ".local"
CACHE = LOCAL / "cache"
DEMO = LOCAL / "demo"


def read_settings() -> dict[str, str]:
    """The project's `.env` under the caller's environment, as the services read them; a variable set to nothing counts as not set."""
    merged = {**dotenv_values(PROJECT / ".env"), **os.environ}
    return {name: value for name, value in merged.items() if value}


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Holds the folder; raises LocalError when another process does. The kernel lets go of it however we end."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise LocalError(f"{what} already runs in this checkout (process {owner}): stop it, or use another checkout") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
