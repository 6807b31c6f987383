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
    """`files` by the names that hold their hashes, `addresses` by their plain names."""

    files: Mapping[str, StaticFile]
    addresses: Mapping[str, str]


def static_file(content: bytes, suffix: str) -> StaticFile:
    return StaticFile(content, gzip.compress(content, 9, mtime=0), _KINDS[suffix], sha256(content).hexdigest()[:16])


def load_files(folder: Path) -> StaticFiles:
    files: dict[str, StaticFile] = {}
    addresses: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        file = static_file(path.read_bytes(), path.suffix)
        name = f"{path.stem}.{file.tag}{path.suffix}"
        files[name] = file
        addresses[path.name] = f"{STATIC_PATH}{name}"
    return StaticFiles(files, addresses)
