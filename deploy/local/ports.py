"""Finds free TCP ports on loopback, and remembers them so that state survives a stop and a start."""

import json
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

# Below Linux's ephemeral range (32768 and up), so that no outgoing connection takes a port between our look and the server's bind.
_LOWEST = 20_000
_HIGHEST = 29_999
_ATTEMPTS = 500
_handed_out: set[int] = set()


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True if a server could listen on the port now; ports in TIME_WAIT count as free, as servers see them."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on and that this process has not given away before."""
    generator = random.SystemRandom()  # two runners that start together must not draw the same sequence
    for _ in range(_ATTEMPTS):
        port = generator.randint(_LOWEST, _HIGHEST)
        if port not in _handed_out and is_free(port):
            _handed_out.add(port)
            return port
    raise OSError(f"no free port found between {_LOWEST} and {_HIGHEST}")


def known_ports(file: Path) -> dict[str, int]:
    """The ports of the last start; none where the file is missing or spoilt."""
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in known.items() if isinstance(port, int)} if isinstance(known, dict) else {}


def remembered_ports(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    """The ports of the last start where they are still free, new ones elsewhere; written back to the file."""
    known = known_ports(file)
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            port = free_port()
        _handed_out.add(port)
        chosen[name] = port
    remember_ports(file, chosen)
    return chosen


def remember_ports(file: Path, ports: Mapping[str, int]) -> None:
    """For the next start, and for whoever wants to speak with what runs now."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(dict(ports), indent=1) + "\n")
    os.replace(temporary, file)
