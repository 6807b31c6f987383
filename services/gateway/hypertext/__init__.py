"""The hosted pages as bytes: templates that escape by themselves, words in three languages, headers that let nothing foreign in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from babel.support import NullTranslations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

from services.gateway.config import LOCALES
from services.gateway.hypertext.catalogues import load_translations
from services.gateway.hypertext.files import StaticFiles, load_files
from services.gateway.hypertext.formats import Formats
from services.gateway.hypertext.names import Names
from services.gateway.hypertext.policy import Sources, security_policy
from services.gateway.hypertext.widget import WIDGET_NAME, build_widget

FOLDER: Final = Path(__file__).parent.parent / "pages"

_HEADERS: Final = {
    # With no-referrer, browsers would send our own forms with `Origin: null`, which nobody may let pass (Fetch, "append a request Origin").
    "Referrer-Policy": "same-origin",
    # Whoever opened the page in a window of theirs has no hold on it; a bank's or a wallet's window that it opens itself can still answer.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    # Nobody gets at its bytes by naming it as a picture or a script.
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Hypertext:
    """`templates` by language. `files`: what the pages need beside them. `live_url`: the notifier's, which they may connect to."""

    templates: Mapping[str, Environment]
    translations: Mapping[str, NullTranslations]
    formats: Mapping[str, Formats]
    names: Mapping[str, Names]
    files: StaticFiles
    live_url: str

    def page(
        self,
        template: str,
        locale: str,
        *,
        status: int = 200,
        refresh_seconds: int | None = None,
        sources: Sources | None = None,
        **values: object,
    ) -> Response:
        """The page in that language. `refresh_seconds`: it is asked for again by itself; it shows what is still on its way. `sources`:
        foreign origins that it needs."""
        text = self.templates[locale].get_template(template).render(**values, status=status, locale=locale, refresh_seconds=refresh_seconds)
        headers = {
            **_HEADERS,
            "Content-Security-Policy": security_policy(self.live_url, sources),
            "Content-Language": locale,
        }
        return Response(text, status, headers, "text/html; charset=utf-8")


def load_hypertext(live_url: str, folder: Path = FOLDER) -> Hypertext:
    """Reads templates, words and static files once. CatalogueError when words cannot be read."""
    translations = {locale: load_translations(folder / "locales", locale) for locale in LOCALES}
    files = load_files(folder / "static", {WIDGET_NAME: build_widget(folder / "widget", translations)})
    formats = {locale: Formats(locale) for locale in LOCALES}
    names = {locale: Names(translations[locale].gettext) for locale in LOCALES}
    templates = {
        locale: _environment(folder, translations[locale], (formats[locale], names[locale]), files.addresses.__getitem__)
        for locale in LOCALES
    }
    return Hypertext(templates, translations, formats, names, files, live_url)


def _environment(folder: Path, translations: NullTranslations, filters: tuple[object, ...], static: Callable[[str], str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    for kind in filters:
        environment.filters |= {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    environment.globals["static"] = static
    environment.globals["locales"] = LOCALES
    return environment
