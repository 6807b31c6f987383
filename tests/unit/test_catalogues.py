"""A message that is missing, said twice, fuzzy, in foreign letters or without its placeholders is found before anybody reads the pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local.catalogues import Key, used, wrong
from services.gateway.hypertext.catalogues import CatalogueError, load_translations

HEADER = (
    'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    '"Plural-Forms: nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);\\n"\n'
)
SHOWN: Mapping[Key, str] = {"Pay": "pay.html:1", "%(n)s left": "pay.html:2", "Read <b>this</b>": "pay.html:3"}
RUSSIAN = {"Pay": "Оплатить", "%(n)s left": "осталось %(n)s", "Read <b>this</b>": "Прочтите <b>это</b>"}
SERBIAN = {"Pay": "Plati", "%(n)s left": "preostalo %(n)s", "Read <b>this</b>": "Pročitajte <b>ovo</b>"}


def entry(message: str, text: str, comment: str = "") -> str:
    return f'\n{comment}msgid "{message}"\nmsgstr "{text}"\n'


def written(folder: Path, locale: str, area: str, messages: Mapping[str, str], more: str = "") -> None:
    path = folder / locale / f"{area}.po"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(entry(*pair) for pair in messages.items()) + more, encoding="utf-8")


def faults(folder: Path, serbian: Mapping[str, str] = SERBIAN, more: str = "") -> list[str]:
    written(folder, "ru", "pay", RUSSIAN)
    written(folder, "sr", "pay", serbian, more)
    return list(wrong(folder, SHOWN))


def test_whole_catalogues_have_no_fault(tmp_path: Path) -> None:
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("serbian", "fault"),
    [
        ({name: text for name, text in SERBIAN.items() if name != "Pay"}, "sr: pay.html:1: 'Pay' is not translated"),
        (SERBIAN | {"Pay": ""}, "sr/pay: 'Pay' is not translated"),
        (SERBIAN | {"Pay": "  "}, "sr/pay: 'Pay' is not translated"),
        ({"Pay": "Plati"} | SERBIAN | {"Gone": "Nestalo"}, "sr/pay: 'Gone' is shown nowhere"),
        ({**SERBIAN, "Pay": "Плати"}, "sr/pay: 'Pay' is not in Latin letters"),
        ({**SERBIAN, "Pay": "Plаti"}, "sr/pay: 'Pay' is not in Latin letters"),
        (SERBIAN | {"%(n)s left": "preostalo"}, "sr/pay: '%(n)s left' has other placeholders or tags: 'preostalo'"),
        (SERBIAN | {"%(n)s left": "preostalo %(m)s"}, "sr/pay: '%(n)s left' has other placeholders or tags: 'preostalo %(m)s'"),
        (SERBIAN | {"Read <b>this</b>": "<b>ovo"}, "sr/pay: 'Read <b>this</b>' has other placeholders or tags: '<b>ovo'"),
    ],
    ids=["missing", "empty", "blank", "unused", "Cyrillic", "one Cyrillic letter", "no placeholder", "another placeholder", "a tag open"],
)  # fmt: skip
def test_each_fault_is_named(tmp_path: Path, serbian: Mapping[str, str], fault: str) -> None:
    assert faults(tmp_path, serbian) == [fault]


def test_what_is_fuzzy_was_only_guessed(tmp_path: Path) -> None:
    without = {name: text for name, text in SERBIAN.items() if name != "Pay"}
    assert faults(tmp_path, without, entry("Pay", "Plati", "#, fuzzy\n")) == ["sr/pay: 'Pay' is fuzzy"]


def test_what_two_areas_say_would_be_either(tmp_path: Path) -> None:
    written(tmp_path, "sr", "other", {"Pay": "Platite"})
    assert faults(tmp_path) == ["sr/other, pay: 'Pay' is said more than once"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    written(tmp_path, "ru", "pay", RUSSIAN)
    (tmp_path / "ru" / "pay.po").write_bytes(b'msgid "Pay"\nmsgstr "\xff"\n')
    with pytest.raises(CatalogueError, match=r"pay\.po"):
        list(wrong(tmp_path, SHOWN))


def test_messages_are_found_in_templates_and_in_code(tmp_path: Path) -> None:
    templates = tmp_path / "pages" / "templates"
    templates.mkdir(parents=True)
    (templates / "a.html").write_text('{{ _("In a template") }}{% trans %}\n  In a\n  block\n{% endtrans %}', encoding="utf-8")
    (tmp_path / "code.py").write_text('x = marked("In code")\ny = gettext("Said at once")\n', encoding="utf-8")
    assert set(used(tmp_path)) == {"In a template", "In a block", "In code", "Said at once"}


def test_areas_are_one_catalogue_and_plurals_have_their_forms(tmp_path: Path) -> None:
    written(tmp_path, "ru", "pay", RUSSIAN)
    plural = '\nmsgid "%(n)s day"\nmsgid_plural "%(n)s days"\nmsgstr[0] "%(n)s день"\nmsgstr[1] "%(n)s дня"\nmsgstr[2] "%(n)s дней"\n'
    written(tmp_path, "ru", "days", {}, plural)
    words = load_translations(tmp_path, "ru")
    assert words.gettext("Pay") == "Оплатить"
    assert [words.ngettext("%(n)s day", "%(n)s days", n) for n in (1, 3, 11, 21)] == ["%(n)s день", "%(n)s дня", "%(n)s дней", "%(n)s день"]
