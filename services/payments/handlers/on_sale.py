"""What is on sale, as an order form has to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from services.payments.domain import refusals
from services.payments.fulfilment.base import Locale
from services.payments.products import Product
from shared.contracts.orders import GetProduct, ProductView
from shared.contracts.payment_commands import Refused


@dataclass(frozen=True, slots=True)
class OnSale:
    products: Mapping[str, Product]

    async def product(self, query: GetProduct) -> ProductView | Refused:
        """product_not_found when nothing of that id is sold, or it has no name in that language."""
        product = self.products.get(query.product)
        title = None if product is None else product.titles.get(cast(Locale, query.locale))
        if product is None or title is None:
            return refusals.product_not_found(query.correlation_id)
        return ProductView(
            product=product.product_id,
            title=title,
            amount_minor=product.price.amount_minor,
            currency=product.price.currency,
            made_by=None if product.fulfiller is None else product.fulfiller.name,
        )
