"""The pages' own files, under names that hold their hash, compressed once."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

STATIC_PATH: Final = "/static/"

_KINDS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """`zipped`: by gzip. Pages themselves are sent as they are: beside their secrets stands what a visitor may choose (CRIME, BREACH)."""

    content: bytes
    zipped: bytes
    kind: str
    tag: str


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """`files` by the names that hold their hashes, `addresses` by their plain names; `fixed`: what other sites load by
    its plain name."""

    files: Mapping[str, StaticFile]
    addresses: Mapping[str, str]
    fixed: Mapping[str, StaticFile]


def static_file(content: bytes, suffix: str) -> StaticFile:
    return StaticFile(content, gzip.compress(content, 9, mtime=0), _KINDS[suffix], sha256(content).hexdigest()[:16])


def load_files(folder: Path, fixed: Mapping[str, StaticFile]) -> StaticFiles:
    """What is in `folder`, and what was made elsewhere; our own pages load that too by a name that holds its hash."""
    plain = {path.name: static_file(path.read_bytes(), path.suffix) for path in sorted(folder.iterdir())} | dict(fixed)
    hashed = {name: f"{Path(name).stem}.{file.tag}{Path(name).suffix}" for name, file in plain.items()}
    return StaticFiles(
        files={hashed[name]: file for name, file in plain.items()},
        addresses={name: f"{STATIC_PATH}{address}" for name, address in hashed.items()},
        fixed=fixed,
    )
