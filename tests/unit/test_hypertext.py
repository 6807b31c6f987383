"""What pages print is escaped, and written as each language writes it; a way out is told from a path of ours."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup
from starlette.responses import Response

from services.gateway.hypertext import FOLDER, Hypertext, load_hypertext
from services.gateway.hypertext.catalogues import CatalogueError
from services.gateway.hypertext.formats import Formats
from services.gateway.hypertext.policy import Sources, security_policy
from services.gateway.pages.visits import own_path
from shared.money import EXPONENTS, MAX_AMOUNT_MINOR

LIVE = "ws://localhost:8001"
LOCALES = ("en", "ru", "sr")
NO_WAY: dict[str, Any] = {"login": None, "again": None}


class NoSite:
    """What stands around a page for somebody of whom nothing is known."""

    user = csrf_token = None
    is_admin = demo_login = False
    path, request_id, default_currency = "/en/x", "a-request", "rsd"

    def in_language(self, locale: str) -> str:
        return f"/{locale}/x"


@pytest.fixture(scope="module")
def hypertext() -> Hypertext:
    return load_hypertext(LIVE)


def text_of(page: Response) -> str:
    return bytes(page.body).decode()


@pytest.mark.parametrize("locale", LOCALES)
def test_values_are_escaped_wherever_they_stand(hypertext: Hypertext, locale: str) -> None:
    value = "\"'><b onload=x>"
    body = text_of(hypertext.page("problem.html", locale, text=value, site=NoSite(), **NO_WAY))
    assert "<b " not in body
    assert "&lt;b onload=x&gt;" in body


def test_a_page_that_is_given_too_little_fails_instead_of_showing_nothing(hypertext: Hypertext) -> None:
    with pytest.raises(UndefinedError, match="'site' is undefined"):
        hypertext.page("problem.html", "en", text="x")


@pytest.mark.parametrize(("locale", "title"), [("en", "Page not found"), ("ru", "Страница не найдена"), ("sr", "Stranica nije pronađena")])
def test_words_come_from_the_languages_catalogues(hypertext: Hypertext, locale: str, title: str) -> None:
    page = hypertext.page("problem.html", locale, status=404, text="x", site=NoSite(), **NO_WAY)
    assert f"<h1>{title}</h1>" in text_of(page)
    assert page.headers["content-language"] == locale


def test_a_catalogue_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    shutil.copytree(FOLDER, folder)
    (folder / "locales" / "sr" / "broken.po").write_bytes(b'msgid "Amount"\nmsgstr "\xff"\n')
    with pytest.raises(CatalogueError, match=r"broken\.po"):
        load_hypertext(LIVE, folder)


def test_what_one_language_lacks_is_said_in_english(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    shutil.copytree(FOLDER, folder)
    shutil.rmtree(folder / "locales" / "sr")
    hypertext = load_hypertext(LIVE, folder)
    assert hypertext.translations["sr"].gettext("Amount") == "Amount"
    assert hypertext.translations["ru"].gettext("Amount") == "Сумма"


# ---- sums, numbers, times


@pytest.mark.parametrize(
    ("locale", "amount_minor", "currency", "written"),
    [
        ("en", 123_456_789, "rsd", "RSD 1,234,567.89"),
        ("ru", 123_456_789, "rsd", "1 234 567,89 RSD"),
        ("sr", 123_456_789, "rsd", "1.234.567,89 RSD"),
        ("en", 5_000, "usd", "$50.00"),
        ("en", 5_000, "jpy", "¥5,000"),
        ("sr", 5_000, "kwd", "5,000 KWD"),
        ("en", 0, "rsd", "RSD 0.00"),
        ("en", MAX_AMOUNT_MINOR, "eur", "€10,000,000,000,000.00"),
    ],
)
def test_sums_are_exact_and_have_all_of_their_currencys_decimals(
    hypertext: Hypertext, locale: str, amount_minor: int, currency: str, written: str
) -> None:
    assert hypertext.formats[locale].money(amount_minor, currency).replace("\u00a0", " ") == written


@given(st.sampled_from(LOCALES), st.integers(0, MAX_AMOUNT_MINOR), st.sampled_from(sorted(EXPONENTS)))
def test_no_sum_loses_a_digit(locale: str, amount_minor: int, currency: str) -> None:
    digits = "".join(re.findall(r"[0-9]", Formats(locale).money(amount_minor, currency)))
    assert digits == str(amount_minor).zfill(EXPONENTS[currency] + 1)


def test_an_input_field_has_the_languages_decimal_sign_and_no_groups(hypertext: Hypertext) -> None:
    assert [hypertext.formats[locale].major(200_050, "rsd") for locale in LOCALES] == ["2000.50", "2000,50", "2000,50"]


def test_times_are_said_in_utc_for_whoever_has_no_script(hypertext: Hypertext) -> None:
    told = hypertext.formats["sr"].time(datetime(2026, 11, 21, 20, 8, 15, tzinfo=UTC))
    assert isinstance(told, Markup)
    assert told.startswith('<time datetime="2026-11-21T20:08:15Z">21.\u00a011.\u00a02026., '), "it breaks before the time alone"
    assert told.endswith("UTC</time>")
    assert hypertext.formats["ru"].day(date(2026, 11, 21)) == "21 нояб. 2026\u202fг."


# ---- what a page may load


def test_a_page_may_load_nothing_but_our_own_and_listen_to_the_notifier() -> None:
    policy = directives(security_policy("wss://live.example/ws"))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
        "connect-src": "'self' wss://live.example", "frame-src": "'none'", "form-action": "'self'", "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }  # fmt: skip


def test_one_page_may_need_more_and_its_directives_alone_change() -> None:
    usual = directives(security_policy(LIVE))
    more = directives(security_policy(LIVE, Sources("https://a.example", "https://b.example", "https://c.example", "https://d.example")))
    assert {name: value for name, value in more.items() if usual[name] != value} == {
        "script-src": "'self' https://a.example",
        "frame-src": "https://b.example",
        "connect-src": f"'self' {LIVE} https://c.example",
        "img-src": "'self' https://d.example",
    }


def directives(policy: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


# ---- paths of ours


@pytest.mark.parametrize("path", ["/", "/en/login", "/a?b=c&d=//e", "/a//b", "/payment/mock?session_id=1&amount=2.00"])
def test_paths_of_ours(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize("path", [None, "", "a", "//a", "/\\a", "\\a", "/a\\b", "/a b", "/a\n", "/\x00", "/é", "http://a", " /a", "/" * 2])
def test_ways_out(path: str | None) -> None:
    assert own_path(path) is None


@given(st.text(max_size=40))
def test_no_text_leads_out(text: str) -> None:
    """As browsers read it (WHATWG URL): tabs and line ends are dropped, a backslash is a slash, two slashes begin a host."""
    if own_path(text) is not None:
        read = re.sub("[\t\r\n]", "", text).replace("\\", "/").lstrip(" ")
        assert read.startswith("/")
        assert not read.startswith("//")
