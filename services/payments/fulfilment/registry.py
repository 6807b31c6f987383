"""Finds the class that fulfils a product, by a short name or, for a deployer's own, by its dotted path."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Final

from services.payments.fulfilment.base import Fulfiller

NOTHING: Final = "none"
"""The product is delivered elsewhere, or there is nothing to deliver."""

SHORT_NAMES: Final = {"chakras": "services.payments.fulfilment.chakras:Chakras"}

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class UnknownFulfiller(ValueError):
    """No class that fulfils orders has this name."""


def make_fulfiller(name: str) -> Fulfiller | None:
    """A new fulfiller: "chakras", or "package.module:Class", which is imported; None for "none". UnknownFulfiller otherwise."""
    if name == NOTHING:
        return None
    path = SHORT_NAMES.get(name, name)
    if not _DOTTED.fullmatch(path):
        raise UnknownFulfiller(f"must be {', '.join((NOTHING, *SHORT_NAMES))} or a class as package.module:Class, not {name[:60]!r}")
    module, _, attribute = path.partition(":")
    try:
        fulfiller: object = getattr(import_module(module), attribute)()
    except Exception as error:
        # Whatever a deployer's module raises while it loads is, for the start, one thing: this name cannot be had.
        raise UnknownFulfiller(f"{path} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(fulfiller, Fulfiller):
        raise UnknownFulfiller(f"{path} has no name, validate and fulfil")
    return fulfiller
