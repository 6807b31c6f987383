"""The widget as a file: small, whole in every language, depending on nothing, and kept by browsers for as long as it should be."""

from __future__ import annotations

import gzip
import json
import re
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from services.gateway.config import LOCALES
from services.gateway.hypertext import FOLDER, load_hypertext
from services.gateway.hypertext.widget import WIDGET_NAME
from services.gateway.pages.views import files
from shared.money import EXPONENTS

ZIPPED_BYTES_MAX = 8_000
HYPERTEXT = load_hypertext("ws://localhost:1")
WIDGET = HYPERTEXT.files.fixed[WIDGET_NAME]
TEXT = WIDGET.content.decode()


def built() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(TEXT.partition("const BUILT=")[2].partition(";\n")[0])
    return found


def test_it_is_small() -> None:
    assert gzip.decompress(WIDGET.zipped) == WIDGET.content
    assert len(WIDGET.zipped) <= ZIPPED_BYTES_MAX


def test_it_depends_on_nothing_and_runs_under_a_strict_policy() -> None:
    assert not re.search(r"\bimport\s*[({'\"*]|\bimport\s+\w+\s+from|\brequire\(", TEXT), "one file"
    assert not re.search(r"https?://(?!www\.w3\.org)", TEXT), "nobody else's address"
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        ".style.",
        "sourceMappingURL",
    ):
        assert forbidden not in TEXT


def test_its_comments_are_left_out_and_its_styles_minified() -> None:
    sources = "".join(path.read_text() for path in (FOLDER / "widget").glob("*.js"))
    assert "// " in sources
    assert not re.search(r"^\s*//|\s// |/\*", TEXT, re.MULTILINE)
    assert not re.search(r"[{};:,]\s", str(built()["styles"]))


def test_it_speaks_every_language_of_ours() -> None:
    words = built()["words"]
    assert list(words) == list(LOCALES)
    english, russian, serbian = (words[locale] for locale in ("en", "ru", "sr"))
    assert isinstance(english, dict)
    assert isinstance(russian, dict)
    assert isinstance(serbian, dict)
    assert english.keys() == russian.keys() == serbian.keys()
    for name, text in english.items():
        assert len({text, russian[name], serbian[name]}) == 3, name
        assert re.search("[а-я]", russian[name])
        assert not re.search("[а-я]", serbian[name])


def test_it_knows_how_many_decimals_each_currency_has() -> None:
    told = built()["exponents"]
    assert {currency: told.get(currency, 2) for currency in EXPONENTS} == EXPONENTS
    assert (told["jpy"], told["kwd"], told.get("rsd")) == (0, 3, None)


async def asked_for(path: str, **headers: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(files.router)
    app.state.parts = SimpleNamespace(hypertext=HYPERTEXT)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        return await http.get(path, headers={"Accept-Encoding": "identity", **headers})


@pytest.mark.parametrize(("accepted", "encoding"), [("br, gzip", "gzip"), ("gzip;q=0.5", "gzip"), ("identity", None)])
async def test_other_sites_load_it_by_a_fixed_name_and_keep_it_for_minutes(accepted: str, encoding: str | None) -> None:
    answer = await asked_for("/static/balance-widget.js", **{"Accept-Encoding": accepted})

    assert (answer.status_code, answer.text) == (200, TEXT)
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_who_has_it_already_is_told_so() -> None:
    tag = (await asked_for("/static/balance-widget.js")).headers["etag"]
    for known in (tag, f'"another", {tag}', tag.removeprefix("W/"), "*"):
        answer = await asked_for("/static/balance-widget.js", **{"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert answer.headers["cache-control"] == "public, max-age=300"
    assert (await asked_for("/static/balance-widget.js", **{"If-None-Match": '"another"'})).status_code == 200


async def test_our_own_pages_load_it_by_a_name_that_holds_its_hash() -> None:
    answer = await asked_for(HYPERTEXT.files.addresses[WIDGET_NAME])
    assert (answer.status_code, answer.text) == (200, TEXT)
    assert "immutable" in answer.headers["cache-control"]
