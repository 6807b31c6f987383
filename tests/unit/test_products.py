"""The products file: what it holds is on sale at exactly its price; what is wrong is told in one line with file, product and field."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.payments.fulfilment.base import LOCALES, FulfilmentOrder
from services.payments.fulfilment.chakras import Chakras
from services.payments.products import FILE_BYTES_MAX, PRODUCTS_MAX, ProductsError, load_products
from shared.money import Money

TODAY = date(2026, 3, 1)

BOOK = """
[[products]]
id = "book"
price = "12.50"
currency = "EUR"
fulfilment = "none"
title = { en = "Book", ru = "Книга", sr = "Knjiga" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "products.toml"


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def refusal(file: Path, text: str) -> str:
    """What loading says of the text; always one line, which begins with the file."""
    with pytest.raises(ProductsError) as refused:
        load_products(written(file, text))
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f"{file}: ")
    return line.removeprefix(f"{file}: ")


def test_without_a_file_the_chakra_reading_is_on_sale() -> None:
    products = load_products(None)

    assert list(products) == ["chakras"]
    chakras = products["chakras"]
    assert chakras.price == Money(99_000, "rsd")
    assert set(chakras.titles) == set(LOCALES)
    assert chakras.titles["sr"] == "Čitanje čakri"
    assert isinstance(chakras.fulfiller, Chakras)


def test_a_file_takes_the_packaged_ones_place_in_its_own_order(file: Path) -> None:
    products = load_products(written(file, BOOK.replace("book", "z-book") + BOOK))

    assert list(products) == ["z-book", "book"]
    assert products["book"].product_id == "book"
    assert products["book"].titles == {"en": "Book", "ru": "Книга", "sr": "Knjiga"}
    assert products["book"].fulfiller is None


@pytest.mark.parametrize(
    ("price", "currency", "money"),
    [
        ('"12.50"', "eur", Money(1250, "eur")),
        ("12.50", "eur", Money(1250, "eur")),
        ("990", "RSD", Money(99_000, "rsd")),
        ('"5000"', "jpy", Money(5000, "jpy")),
        ('"0.001"', "kwd", Money(1, "kwd")),
        ("9999999999999.99", "usd", Money(999_999_999_999_999, "usd")),
    ],
)
def test_a_price_is_exact_to_the_last_minor_unit(file: Path, price: str, currency: str, money: Money) -> None:
    text = BOOK.replace('"12.50"', price).replace("EUR", currency)

    assert load_products(written(file, text))["book"].price == money


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ('"12.50"', '"12.505"', "product 'book': price eur has 2 decimals"),
        ('"12.50"', '"-1"', "product 'book': price must be above 0"),
        ('"12.50"', "0", "product 'book': price must be above 0"),
        ('"12.50"', '"10000000000000.01"', "product 'book': price must be at most 10^15"),
        ('"12.50"', '"1e3"', "product 'book': price must be a plain decimal"),
        ('"12.50"', "1e3", "product 'book': price must be a plain decimal"),
        ('"12.50"', "nan", "product 'book': price must be a plain decimal"),
        ('"12.50"', '"12,50"', "product 'book': price must be a plain decimal"),
        ('"12.50"', "true", "product 'book': price must be a number"),
        ('"12.50"', "[12]", "product 'book': price must be a number"),
        ('price = "12.50"', "", "product 'book': price is missing"),
        ('"EUR"', '"xyz"', "product 'book': currency is not one that can be paid in: unknown currency 'xyz'"),
        ('"EUR"', "978", "product 'book': currency must be text"),
        ('currency = "EUR"', "", "product 'book': currency is missing"),
        ('ru = "Книга", ', "", "product 'book': title.ru is missing"),
        ('"Книга"', '"  "', "product 'book': title.ru must be one line"),
        ('"Книга"', '"Кни\\nга"', "product 'book': title.ru must be one line"),
        ('"Книга"', f'"{"К" * 121}"', "product 'book': title.ru must be one line of 1 to 120"),
        ('"Книга"', "5", "product 'book': title.ru must be one line"),
        ('ru = "Книга"', 'ru = "Книга", de = "Buch"', "product 'book': title.de is unknown"),
        ('{ en = "Book", ru = "Книга", sr = "Knjiga" }', '"Book"', "product 'book': title must be a table with en, ru, sr"),
        ('title = { en = "Book", ru = "Книга", sr = "Knjiga" }', "", "product 'book': title is missing"),
        ('fulfilment = "none"', "", "product 'book': fulfilment is missing"),
        ('"none"', "1", "product 'book': fulfilment must be text"),
        ('"none"', '"tarot"', "product 'book': fulfilment must be none, chakras or a class as package.module:Class, not 'tarot'"),
        ('"none"', '"os:system:x"', "product 'book': fulfilment must be none"),
        ('"none"', '"nowhere.to_be:Found"', "product 'book': fulfilment nowhere.to_be:Found cannot be made: ModuleNotFoundError"),
        ('"none"', '"tests.unit.own_fulfilment:Missing"', "cannot be made: AttributeError"),
        ('"none"', '"tests.unit.own_fulfilment:Broken"', "cannot be made: RuntimeError: no templates here"),
        ('"none"', '"tests.unit.own_fulfilment:NoText"', "has no name, validate and fulfil"),
        ('"book"', '"My Book"', "product 'My Book': id must be"),
        ('"book"', '"-book"', "product '-book': id must be"),
        ('"book"', '"../book"', "product '../book': id must be"),
        ('"book"', f'"{"b" * 65}"', "id must be"),
        ('"book"', '""', "product number 1: id must be"),
        ('id = "book"', "", "product number 1: id is missing"),
        ("price =", "prise =", "product 'book': prise is unknown; known are id, price, currency, title, fulfilment"),
    ],
)
def test_a_wrong_field_is_named(file: Path, was: str, becomes: str, told: str) -> None:
    assert was in BOOK

    assert told in refusal(file, BOOK.replace(was, becomes))


def test_two_products_of_one_id_are_refused(file: Path) -> None:
    assert refusal(file, BOOK + BOOK) == "product 'book': id is used twice"


def test_a_bad_product_is_named_among_good_ones(file: Path) -> None:
    pen = BOOK.replace("book", "pen").replace("12.50", "none")

    assert refusal(file, BOOK + pen).startswith("product 'pen': price")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "products must be 1 to"),
        ("products = []", "products must be 1 to"),
        ("products = 5", "products must be 1 to"),
        ("products = [5]", "product number 1: products must hold tables"),
        (BOOK.replace("products", "product"), "product is unknown; the file holds [[products]]"),
        ("[[products]\n", "is not TOML: "),
        (f"products = {'9' * 5000}", "is not TOML: "),
    ],
)
def test_a_file_of_another_form_is_refused(file: Path, text: str, told: str) -> None:
    assert told in refusal(file, text)


def test_too_many_products_and_too_large_a_file_are_refused(file: Path) -> None:
    assert f"1 to {PRODUCTS_MAX}" in refusal(file, "[[products]]\n" * (PRODUCTS_MAX + 1))
    assert refusal(file, BOOK + "#" * FILE_BYTES_MAX) == f"is larger than {FILE_BYTES_MAX} bytes"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "no-such.toml"
    with pytest.raises(ProductsError, match=r"no-such\.toml: cannot be read: No such file"):
        load_products(missing)
    with pytest.raises(ProductsError, match="cannot be read: Is a directory"):
        load_products(tmp_path)

    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'title = "\xe8akre"')
    with pytest.raises(ProductsError, match=r"latin\.toml: is not UTF-8"):
        load_products(latin)


def test_a_deployers_own_class_fulfils(file: Path) -> None:
    products = load_products(written(file, BOOK.replace('"none"', '"tests.unit.own_fulfilment:Greeting"')))

    fulfiller = products["book"].fulfiller
    assert fulfiller is not None
    assert fulfiller.name == "greeting"
    assert fulfiller.validate(None, None, TODAY) == ()
    assert fulfiller.fulfil(FulfilmentOrder("order-7", "book", "en", (), None, TODAY)) == "Hello, order-7"


def test_the_chakra_reading_is_the_same_by_its_short_and_its_long_name(file: Path) -> None:
    long_name = '"services.payments.fulfilment.chakras:Chakras"'
    products = load_products(written(file, BOOK.replace('"none"', long_name) + BOOK.replace("book", "b").replace('"none"', '"chakras"')))

    assert {type(product.fulfiller) for product in products.values()} == {Chakras}
