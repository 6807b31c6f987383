"""<balance-widget> as one file for any page: its parts, styles, words and the currencies' decimals, joined and minified."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson
from babel.support import NullTranslations
from rjsmin import jsmin  # type: ignore[import-untyped]

from services.gateway.hypertext.catalogues import marked
from services.gateway.hypertext.files import StaticFile, static_file
from shared.money import EXPONENTS

WIDGET_NAME: Final = "balance-widget.js"
"""Fixed: other sites' pages load it by this name."""

_PARTS: Final = ("api.js", "page-life.js", "socket.js", "audience.js", "line.js", "balance-widget.js")
_STYLES: Final = "balance-widget.css"
_USUAL_DECIMALS: Final = 2

_WORDS: Final[Mapping[str, str]] = {
    "balance": marked("Balance"),
    "held": marked("%(amount)s on hold"),
    "live": marked("Updated at once"),
    "asking": marked("Updated from time to time"),
    "unreachable": marked("The balance cannot be refreshed."),
    "loggedOut": marked("You are logged out."),
    "login": marked("Log in"),
    "retry": marked("Retry"),
}

_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACE: Final = re.compile(r"\s+")
_AROUND: Final = re.compile(r"\s?([{};,>])\s?|(?<=:)\s")


def build_widget(folder: Path, translations: Mapping[str, NullTranslations]) -> StaticFile:
    """The module made of the sources in `folder`, which know what is put before them as BUILT."""
    built = {
        "styles": _minified_styles((folder / _STYLES).read_text(encoding="utf-8")),
        "words": {locale: {name: words.gettext(text) for name, text in _WORDS.items()} for locale, words in translations.items()},
        "exponents": {currency: digits for currency, digits in EXPONENTS.items() if digits != _USUAL_DECIMALS},
    }
    sources = "\n".join((folder / name).read_text(encoding="utf-8") for name in _PARTS)
    code: str = jsmin(sources)
    return static_file(f"const BUILT={orjson.dumps(built).decode()};\n{code}".encode(), ".js")


def _minified_styles(text: str) -> str:
    """For our own styles, which have no strings: without comments and needless space."""
    return _AROUND.sub(lambda found: found[1] or "", _SPACE.sub(" ", _COMMENT.sub("", text))).replace(";}", "}").strip()
