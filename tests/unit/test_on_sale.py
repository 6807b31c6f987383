"""What an order form is told of its product: what is on sale, in the visitor's language, and who makes it of the form."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.payments.handlers.on_sale import OnSale
from services.payments.products import load_products
from shared.contracts.orders import GetProduct, ProductView
from shared.contracts.payment_commands import Refused

SHOP = """
[[products]]
id = "chakras"
price = "990.00"
currency = "rsd"
fulfilment = "chakras"
title = { en = "Chakra reading", ru = "Разбор чакр", sr = "Čitanje čakri" }

[[products]]
id = "mug"
price = 12
currency = "eur"
fulfilment = "none"
title = { en = "Mug", ru = "Кружка", sr = "Šolja" }
"""


async def asked(folder: Path, product: str, locale: str) -> ProductView | Refused:
    file = folder / "products.toml"
    file.write_text(SHOP, encoding="utf-8")
    return await OnSale(load_products(file)).product(GetProduct(correlation_id="q", product=product, locale=locale))


async def test_a_product_is_told_in_the_language_asked_for(tmp_path: Path) -> None:
    reading = await asked(tmp_path, "chakras", "sr")
    mug = await asked(tmp_path, "mug", "ru")

    assert reading == ProductView(product="chakras", title="Čitanje čakri", amount_minor=99_000, currency="rsd", made_by="chakras")
    assert mug == ProductView(product="mug", title="Кружка", amount_minor=1_200, currency="eur", made_by=None)


@pytest.mark.parametrize(("product", "locale"), [("chakra", "en"), ("", "en"), ("CHAKRAS", "en"), ("chakras", "de")])
async def test_what_is_not_sold_is_not_found(tmp_path: Path, product: str, locale: str) -> None:
    answer = await asked(tmp_path, product, locale)

    assert isinstance(answer, Refused)
    assert answer.code == "product_not_found"
