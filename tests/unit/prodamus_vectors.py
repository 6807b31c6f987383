"""The vectors of Prodamus' signature, secret `test`, made by the vendor's own PHP class: a link (B), a notification (C), the corners."""

from __future__ import annotations

from typing import Any

PRODUCT = {"name": 'Тест / товар "А"', "price": "10.50", "quantity": "2"}
LINK: dict[str, Any] = {
    "do": "pay",
    "order_id": "ord-42",
    "products": [PRODUCT | {"sku": "sku-1", "tax": {"tax_type": "0"}}],
    "customer_phone": "+79990000000",
    "customer_email": "a@example.org",
    "currency": "rub",
    "urlReturn": "https://shop.example/return",
    "urlSuccess": "https://shop.example/success",
    "urlNotification": "https://shop.example/webhooks/prodamus",
    "sys": "demo",
}
NOTIFICATION: dict[str, Any] = {
    "date": "2026-11-20T12:31:01+03:00",
    "order_id": "300155",
    "order_num": "ord-42",
    "domain": "shop.payform.ru",
    "sum": "21.00",
    "currency": "rub",
    "customer_phone": "+79990000000",
    "customer_email": "a@example.org",
    "customer_extra": "тест",
    "payment_type": "Пластиковая карта Visa, MasterCard, МИР",
    "commission": "3.5",
    "commission_sum": "0.74",
    "attempt": "1",
    "sys": "demo",
    "products": [PRODUCT | {"sum": "21.00"}],
    "payment_status": "success",
    "payment_status_description": "Успешная оплата",
}
ONE = {"name": "x", "price": "1.00", "quantity": "1"}
VECTORS: dict[str, tuple[Any, str]] = {
    "A": ({"sum": "100.00", "order_id": "1"}, "b76adc118f2f8f546908eee80171ff191aeb247c612bda706573b19ebb3c1769"),
    "B": (LINK, "70e5dd47769c4765888b3a00f7591935a26ee96b032a99dd67e68a5f1ff46170"),
    "C": (NOTIFICATION, "4021ca4f2aad5465fe663f088bfa8ac5d8e40bd3c5aa5a172f3b831f1c403286"),
    "D": (
        {"order_id": "1", "products": [{"name": f"n{i}", "price": "1.00", "quantity": "1"} for i in range(12)]},
        "b0e69f71f4d2a6a2933321e5f0957717ee76bac9277b091c47beb79a954bab1d",
    ),
    "E": ({"order_id": "1", "products": {"1": ONE}}, "59bc66f9b67bfa8e334d5321b239541e55b42ba321c149219822294f42fd15e9"),
    "E2": (
        {"order_id": "1", "products": {"10": {"name": "ten"}, "2": {"name": "two"}}},
        "59c5850059306bee959bc903ab02287aa9a75fe1147f208119cb64041360de36",
    ),
    "F": (
        {"urlSuccess": "a", "_param_z": "b", "Zed": "c", "order_id": "d", "utm_source": "e", "_param_A": "f"},
        "e65bbd9968e794fcd5961b5d8c347a5d659d2a2bf6657baa382e41fca8def9b6",
    ),
    "G": (
        {"a": "line1\nline2\ttab\b\f\u001f", "b": "back\\slash"},
        "7e35a0e11b98e35f5c9dda4016908607beef4b3869ac3e86b9c04f924c388023",
    ),
    "H": ({"a": "x\u2028y\u2029z"}, "5acaf053e706e088fca9c5e4fcafce2f8e74753a00548543f937ba553da007a2"),
    "I": ({"a": "😀"}, "dc5bfabf270d3a2d9f6f8c3aeb2eb34ff704c77a2071f9b7358b5ed831812b3e"),
    "J": ({"a": "", "b": "0"}, "05622af181e38fd8883c66970554fd7d7c4f2c2cc9b1abd91ccfa5184d56bbdf"),
}
