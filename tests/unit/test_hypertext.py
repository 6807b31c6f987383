"""The pages' words are whole in every language, what they print is escaped, and a path of ours is told from a way out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.hypertext import FOLDER, Hypertext, WordsError, load_hypertext
from services.gateway.pages.visits import own_path

WORDS = load_hypertext().words


def test_every_language_has_every_word_and_says_it_in_its_own_letters() -> None:
    for key in WORDS["en"]:
        assert all(words[key].strip() for words in WORDS.values())
        assert re.search("[а-яё]", WORDS["ru"][key].lower()), key
        assert not re.search("[а-яё]", (WORDS["en"][key] + WORDS["sr"][key]).lower()), key
    assert set(WORDS["en"]["mock_success"]) <= set(ascii_letters)


def test_a_missing_word_stops_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    shutil.copytree(FOLDER, folder)
    (folder / "locales" / "sr.toml").write_text('amount = "Iznos"\n')
    with pytest.raises(WordsError, match=r"sr: .*login_title"):
        load_hypertext(folder)


@pytest.fixture(scope="module")
def hypertext() -> Hypertext:
    return load_hypertext()


@pytest.mark.parametrize("locale", ["en", "ru", "sr"])
def test_values_are_escaped_wherever_they_stand(hypertext: Hypertext, locale: str) -> None:
    value = "\"'><b onload=x>"
    body = bytes(hypertext.page("login.html", locale, onward=value, wrong=True, login=value).body).decode()
    assert "<b " not in body
    assert body.count("&lt;b onload=x&gt;") == 2


def test_a_page_that_is_given_too_little_fails_instead_of_showing_nothing(hypertext: Hypertext) -> None:
    with pytest.raises(Exception, match="undefined"):
        hypertext.page("problem.html", "en", text="x")


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
