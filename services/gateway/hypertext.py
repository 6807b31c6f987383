"""The hosted pages as bytes: templates that escape by themselves, words in three languages, headers that let nothing foreign in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

from services.gateway.config import LOCALES
from shared.money import major_text

FOLDER: Final = Path(__file__).parent / "pages"
STATIC_PATH: Final = "/static/"

POLICY: Final = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""Of every page but those that name another one: no script at all."""

_KINDS: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

_HEADERS: Final = {
    # With no-referrer, browsers would send our own forms with `Origin: null`, which nobody may let pass (Fetch, "append a request Origin").
    "Referrer-Policy": "same-origin",
}

Words = Mapping[str, str]


class WordsError(ValueError):
    """A language lacks words that another one has."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Hypertext:
    """`files`: what the pages need beside them, by the names that hold their hashes."""

    templates: Environment
    words: Mapping[str, Words]
    files: Mapping[str, StaticFile]

    def page(
        self,
        template: str,
        locale: str,
        *,
        status: int = 200,
        refresh_seconds: int | None = None,
        policy: str = POLICY,
        **values: object,
    ) -> Response:
        """The page in that language. `refresh_seconds`: it is asked for again by itself; it shows what is still on its way. `policy`: its
        Content-Security-Policy."""
        text = self.templates.get_template(template).render(
            **values,
            locale=locale,
            words=self.words[locale],
            refresh_seconds=refresh_seconds,
        )
        headers = {**_HEADERS, "Content-Security-Policy": policy, "Content-Language": locale}
        return Response(text, status, headers, "text/html; charset=utf-8")


def load_hypertext(folder: Path = FOLDER) -> Hypertext:
    """Reads templates, words and static files once. WordsError when a language lacks something."""
    templates = Environment(
        loader=FileSystemLoader(folder / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["money"] = money
    files: dict[str, StaticFile] = {}
    addresses: dict[str, str] = {}
    for path in sorted((folder / "static").iterdir()):
        content = path.read_bytes()
        name = f"{path.stem}.{sha256(content).hexdigest()[:16]}{path.suffix}"
        files[name] = StaticFile(content, _KINDS[path.suffix])
        addresses[path.name] = f"{STATIC_PATH}{name}"
    templates.globals["static"] = addresses.__getitem__
    return Hypertext(templates, _words(folder / "locales"), files)


def money(amount_minor: int, currency: str) -> str:
    """990.00 RSD."""
    return f"{major_text(amount_minor, currency)} {currency.upper()}"


def _words(folder: Path) -> Mapping[str, Words]:
    words: dict[str, Words] = {locale: tomllib.loads((folder / f"{locale}.toml").read_text(encoding="utf-8")) for locale in LOCALES}
    every = set().union(*words.values())
    for locale, known in words.items():
        if missing := sorted(every - set(known)):
            raise WordsError(f"{locale}: {', '.join(missing)}")
    return words
