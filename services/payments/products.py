"""What can be ordered: products, read once from a settings file and refused with one line that names what is wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from services.payments.fulfilment.base import LOCALES, Fulfiller, Locale
from services.payments.fulfilment.registry import UnknownFulfiller, make_fulfiller
from shared.money import Money, MoneyError, UnknownCurrency, parse_major

PACKAGED: Final = Path(__file__).parent / "data" / "products.toml"
"""What is on sale when PRODUCTS_FILE is not set."""

FILE_BYTES_MAX: Final = 1_048_576
PRODUCTS_MAX: Final = 1_000
TITLE_CHARACTERS_MAX: Final = 120

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
_FIELDS: Final = ("id", "price", "currency", "title", "fulfilment")


class ProductsError(ValueError):
    """The products file cannot be used; the message is one line that names the file, the product and the field."""


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on sale: its price, its name in every language of the pages, and who delivers it (None: nothing to deliver)."""

    product_id: str
    price: Money
    titles: Mapping[Locale, str]
    fulfiller: Fulfiller | None


class _Wrong(ValueError):
    """A field of a product is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")


def load_products(path: Path | None) -> Mapping[str, Product]:
    """The products on sale by their id, in the file's order, from `path` (TOML) or the packaged file. ProductsError otherwise."""
    file = path or PACKAGED
    entries = _entries(file)
    products: dict[str, Product] = {}
    for number, entry in enumerate(entries, start=1):
        named = entry.get("id") if isinstance(entry, dict) else None
        where = f"product {named[:64]!r}" if isinstance(named, str) and named else f"product number {number}"
        try:
            product = _product(entry)
            if product.product_id in products:
                raise _Wrong("id", "is used twice")
        except _Wrong as error:
            raise ProductsError(f"{file}: {where}: {_one_line(str(error))}") from error
        products[product.product_id] = product
    return MappingProxyType(products)


def _entries(file: Path) -> list[object]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ProductsError(f"{file}: cannot be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ProductsError(f"{file}: is larger than {FILE_BYTES_MAX} bytes")
    try:
        # A number keeps its digits: a float would not be the price that was written.
        content = tomllib.loads(raw.decode(), parse_float=str)
    except UnicodeDecodeError as error:
        raise ProductsError(f"{file}: is not UTF-8") from error
    except ValueError as error:  # TOMLDecodeError, and what int() says of a number with thousands of digits
        raise ProductsError(f"{file}: is not TOML: {_one_line(str(error))}") from error
    unknown = sorted(set(content) - {"products"})
    if unknown:
        raise ProductsError(f"{file}: {unknown[0]} is unknown; the file holds [[products]]")
    entries = content.get("products")
    if not isinstance(entries, list) or not 1 <= len(entries) <= PRODUCTS_MAX:
        raise ProductsError(f"{file}: products must be 1 to {PRODUCTS_MAX} tables [[products]]")
    return entries


def _product(entry: object) -> Product:
    if not isinstance(entry, dict):
        raise _Wrong("products", "must hold tables")
    for field in entry:
        if field not in _FIELDS:
            raise _Wrong(field, f"is unknown; known are {', '.join(_FIELDS)}")
    product_id = _text(entry, "id")
    if not _SLUG.fullmatch(product_id):
        raise _Wrong("id", "must be 1 to 64 lower-case letters, digits, - and _, and begin and end with a letter or a digit")
    return Product(product_id, _price(entry), _titles(entry), _fulfiller(entry))


def _price(entry: dict[str, Any]) -> Money:
    price, currency = entry.get("price"), _text(entry, "currency")
    if price is None:
        raise _Wrong("price", "is missing")
    if type(price) not in (str, int):
        raise _Wrong("price", 'must be a number or a decimal text, such as "990.00"')
    try:
        return parse_major(str(price), currency)
    except UnknownCurrency as error:
        raise _Wrong("currency", f"is not one that can be paid in: {error}") from error
    except MoneyError as error:
        raise _Wrong("price", str(error)) from error


def _titles(entry: dict[str, Any]) -> Mapping[Locale, str]:
    titles = entry.get("title")
    if titles is None:
        raise _Wrong("title", "is missing")
    if not isinstance(titles, dict):
        raise _Wrong("title", f"must be a table with {', '.join(LOCALES)}")
    for locale in titles:
        if locale not in LOCALES:
            raise _Wrong(f"title.{locale}", f"is unknown; known are {', '.join(LOCALES)}")
    return MappingProxyType({locale: _title(titles, locale) for locale in LOCALES})


def _title(titles: dict[str, Any], locale: Locale) -> str:
    field = f"title.{locale}"
    title = titles.get(locale)
    if title is None:
        raise _Wrong(field, "is missing")
    # Providers print titles on their pages and receipts: one printable line.
    if not isinstance(title, str) or not title.strip() or not title.isprintable() or len(title) > TITLE_CHARACTERS_MAX:
        raise _Wrong(field, f"must be one line of 1 to {TITLE_CHARACTERS_MAX} characters")
    return title.strip()


def _fulfiller(entry: dict[str, Any]) -> Fulfiller | None:
    try:
        return make_fulfiller(_text(entry, "fulfilment"))
    except UnknownFulfiller as error:
        raise _Wrong("fulfilment", str(error)) from error


def _text(entry: dict[str, Any], field: str) -> str:
    value = entry.get(field)
    if value is None:
        raise _Wrong(field, "is missing")
    if not isinstance(value, str):
        raise _Wrong(field, "must be text")
    return value


def _one_line(text: str) -> str:
    return " ".join(text.split())
