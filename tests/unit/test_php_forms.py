"""PHP's forms: the vendor's own vectors, PHP's odd corners, and trees that come back as they went."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.form_bodies import FIELD_BYTES_MAX, FIELDS_MAX, NAME_BYTES_MAX
from shared.php_forms import DEPTH_MAX, FormError, PhpForm, canonical_json, decode, decode_query, encode, signature

PRODUCT = {"name": 'Тест / товар "А"', "price": "10.50", "quantity": "2"}
LINK: PhpForm = {
    "do": "pay",
    "sys": "demo",
    "order_id": "ord-42",
    "customer_phone": "+79990000000",
    "customer_email": "a@example.org",
    "currency": "rub",
    "urlReturn": "https://shop.example/return",
    "urlSuccess": "https://shop.example/success",
    "urlNotification": "https://shop.example/webhooks/prodamus",
    "products": [{**PRODUCT, "sku": "sku-1", "tax": {"tax_type": "0"}}],
}
NOTIFICATION: PhpForm = {
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
    "products": [{**PRODUCT, "sum": "21.00"}],
    "payment_status": "success",
    "payment_status_description": "Успешная оплата",
}
TWELVE: PhpForm = {"products": [{"quantity": "1", "price": "1.00", "name": f"n{i}"} for i in range(12)], "order_id": "1"}

# What PHP 8.2 signs, and the result with the key "test"; the texts of B, C and D are left to their digests.
VECTORS: dict[str, tuple[PhpForm, str | None, str]] = {
    "A": (
        {"sum": "100.00", "order_id": "1"},
        '{"order_id":"1","sum":"100.00"}',
        "b76adc118f2f8f546908eee80171ff191aeb247c612bda706573b19ebb3c1769",
    ),
    "B": (LINK, None, "70e5dd47769c4765888b3a00f7591935a26ee96b032a99dd67e68a5f1ff46170"),
    "C": (NOTIFICATION, None, "4021ca4f2aad5465fe663f088bfa8ac5d8e40bd3c5aa5a172f3b831f1c403286"),
    "D": (TWELVE, None, "b0e69f71f4d2a6a2933321e5f0957717ee76bac9277b091c47beb79a954bab1d"),
    "E": (
        {"order_id": "1", "products": {"1": {"name": "x", "price": "1.00", "quantity": "1"}}},
        '{"order_id":"1","products":{"1":{"name":"x","price":"1.00","quantity":"1"}}}',
        "59bc66f9b67bfa8e334d5321b239541e55b42ba321c149219822294f42fd15e9",
    ),
    "E2": (
        {"order_id": "1", "products": {"10": {"name": "ten"}, "2": {"name": "two"}}},
        '{"order_id":"1","products":{"2":{"name":"two"},"10":{"name":"ten"}}}',
        "59c5850059306bee959bc903ab02287aa9a75fe1147f208119cb64041360de36",
    ),
    "F": (
        {"urlSuccess": "a", "_param_z": "b", "Zed": "c", "order_id": "d", "utm_source": "e", "_param_A": "f"},
        '{"Zed":"c","_param_A":"f","_param_z":"b","order_id":"d","urlSuccess":"a","utm_source":"e"}',
        "e65bbd9968e794fcd5961b5d8c347a5d659d2a2bf6657baa382e41fca8def9b6",
    ),
    "G": (
        {"a": "line1\nline2\ttab\b\f\x1f", "b": "back\\slash"},
        r'{"a":"line1\nline2\ttab\b\f\u001f","b":"back\\slash"}',
        "7e35a0e11b98e35f5c9dda4016908607beef4b3869ac3e86b9c04f924c388023",
    ),
    "H": ({"a": "x\u2028y\u2029z"}, r'{"a":"x\u2028y\u2029z"}', "5acaf053e706e088fca9c5e4fcafce2f8e74753a00548543f937ba553da007a2"),
    "I": ({"a": "😀"}, '{"a":"😀"}', "dc5bfabf270d3a2d9f6f8c3aeb2eb34ff704c77a2071f9b7358b5ed831812b3e"),
    "J": ({"b": "0", "a": ""}, '{"a":"","b":"0"}', "05622af181e38fd8883c66970554fd7d7c4f2c2cc9b1abd91ccfa5184d56bbdf"),
}


@pytest.mark.parametrize(("form", "signed", "digest"), VECTORS.values(), ids=VECTORS)
def test_every_vector_of_the_vendor_before_and_after_travelling(form: PhpForm, signed: str | None, digest: str) -> None:
    travelled = decode_query(encode(form))
    assert travelled == form
    assert {signature(form, "test"), signature(travelled, "test")} == {digest}
    assert signed is None or canonical_json(form).decode() == signed


# Keys and texts without PHP's corners: no key looks like an integer, is bent by PHP, or opens a bracket.
KEYS = st.text("abcXYZ_-.é ~%&=+", min_size=1, max_size=8).filter(lambda key: key != " ")
NAMES = KEYS.filter(lambda key: not set(". ") & set(key))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(KEYS, inner, min_size=1, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_a_tree_comes_back_as_it_went(form: Any) -> None:
    assert decode_query(encode(form)) == form
    assert list(decode_query(encode(form))) == list(form)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_the_signed_text_is_json_of_the_same_tree_whatever_the_order(form: Any) -> None:
    canonical = canonical_json(form)
    assert json.loads(canonical) == (form or [])
    assert canonical_json(dict(reversed(form.items()))) == canonical


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[][n]=1&a[][n]=2", {"a": [{"n": "1"}, {"n": "2"}]}),
        ("a[5]=x&a[]=y", {"a": {"5": "x", "6": "y"}}),
        ("a[-5]=x&a[]=y", {"a": {"-5": "x", "0": "y"}}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[1]=y&a[0]=x", {"a": {"1": "y", "0": "x"}}),
        ("a[01]=x&a[]=y", {"a": {"01": "x", "0": "y"}}),
        ("a[9223372036854775808]=x&a[]=y", {"a": {"9223372036854775808": "x", "0": "y"}}),
        ("a=1&a=2", {"a": "2"}),
        ("a[b]=1&a=2", {"a": "2"}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a.b c=1&a[b.c d]=2", {"a_b_c": "1", "a": {"b.c d": "2"}}),
        ("  a=1", {"a": "1"}),
        ("=1&[b]=2&&", {}),
        ("a&b=&c==x=y", {"a": "", "b": "", "c": "=x=y"}),
        ("a[b=1", {"a_b": "1"}),
        ("a[b.c[d=1", {"a_b_c_d": "1"}),
        ("a[b]c=1", {"a": {"b": "1"}}),
        ("a[b][c=1", {"a": {"b": "1"}}),
        ("a[ ]=1", {"a": ["1"]}),
        ("a[b[c]=1", {"a": {"b[c": "1"}}),
        ("a]=1", {"a]": "1"}),
        ("a=%zz%4&b=1%2B1+2", {"a": "%zz%4", "b": "1+1 2"}),
        ("5=x&0=y", {"5": "x", "0": "y"}),
    ],
)
def test_names_are_read_as_php_reads_them(query: str, form: PhpForm) -> None:
    assert decode_query(query) == form


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("a[1]=y&a[0]=x", '{"a":["x","y"]}'),
        ("1=y&0=x", '["x","y"]'),
        ("", "[]"),
        ("a[-1]=m&a[10]=t&a[9]=n", '{"a":{"-1":"m","9":"n","10":"t"}}'),
        ("a[1.5]=m&a[10]=t&a[9]=n", '{"a":{"1.5":"m","9":"n","10":"t"}}'),
        ("a[x]=t&a[2]=n", '{"a":{"2":"n","x":"t"}}'),
        ("b=%7F%C2%85&a=%22", '{"a":"\\"","b":"\x7f\x85"}'),
    ],
)
def test_arrays_sort_by_number_then_are_lists_if_they_can_be(query: str, signed: str) -> None:
    assert canonical_json(decode_query(query)).decode() == signed


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("&".join(["a[]=1"] * (FIELDS_MAX + 1)), "too_many_fields"),
        ("&" * FIELDS_MAX, "too_many_fields"),
        ("a=" + "x" * (FIELD_BYTES_MAX + 1), "field_too_large"),
        ("a" * (NAME_BYTES_MAX + 1) + "=1", "field_too_large"),
        ("a" + "[b]" * DEPTH_MAX + "=1", "nested_too_deep"),
        ("a=%ff", "not_utf8"),
        ("a=%ed%a0%80", "not_utf8"),
        ("%ff=1", "not_utf8"),
        ("a=b%00c", "nul"),
        ("a%00b=c", "nul"),
        ("a[9223372036854775807]=x&a[]=y", "garbled_form"),
    ],
)
def test_what_no_honest_sender_sends_is_refused(query: str, reason: str) -> None:
    with pytest.raises(FormError, match=f"^{reason}$"):
        decode_query(query)


def test_the_bounds_themselves_are_allowed() -> None:
    assert len(decode_query("&".join(f"a{n}=1" for n in range(FIELDS_MAX)))) == FIELDS_MAX
    assert decode_query("a=" + "x" * FIELD_BYTES_MAX) == {"a": "x" * FIELD_BYTES_MAX}
    assert decode_query("a" + "[b]" * (DEPTH_MAX - 1) + "=1")


@pytest.mark.parametrize(
    "form",
    [
        {"a": []},
        {"a": {}},
        {"": "x"},
        {"a.b": "x"},
        {" a": "x"},
        {"a[b]": "x"},
        {"a": {"b]": "x"}},
        {"a": {"": "x"}},
        {"a": {" ": "x"}},
        {"a": "\0"},
    ],
)
def test_what_a_form_cannot_carry_is_not_sent(form: PhpForm) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(form)


@pytest.mark.parametrize("leaf", [1, 1.5, None, True, b"x"])
def test_leaves_are_texts_so_that_what_is_signed_is_what_is_sent(leaf: Any) -> None:
    for refuse in (encode, canonical_json):
        with pytest.raises(TypeError):
            refuse({"a": [leaf]})


def test_an_unknown_type_is_no_form() -> None:
    for kind in ("application/json", "text/plain", "", "multipart/mixed; boundary=b"):
        with pytest.raises(FormError, match="content_type"):
            decode(kind, b"a=1")
    assert decode("Application/X-WWW-Form-URLencoded; charset=utf-8", b"a=1") == {"a": "1"}
