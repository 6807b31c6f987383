"""The Prodamus stand-in's own PHP: the sheet's signature vectors, and forms read and written as PHP does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emulators.prodamus.php import MAX_FIELDS, FormError, Tree, read_pairs, read_query, signed_json, tree_of, write_pairs, write_query
from tests.emulators.prodamus.signing import is_signed, sign
from tests.unit.prodamus_vectors import VECTORS


@pytest.mark.parametrize("vector", VECTORS)
def test_every_vector_of_the_sheet_is_signed_as_php_signs_it(vector: str) -> None:
    plain, expected = VECTORS[vector]
    tree = tree_of(plain)
    assert sign(tree, "test") == expected
    # The same after a journey through a form, by which it comes and goes.
    assert sign(read_query(write_query(tree)), "test") == expected
    assert is_signed(tree | {"signature": "x"}, expected.upper(), "test")
    assert not is_signed(tree, expected, "testdemo")


def test_every_slash_is_escaped_and_no_letter_beyond_ascii() -> None:
    assert signed_json(tree_of({"b": "a/b/c", "a": 'Ж"\\\x01'})) == '{"a":"Ж\\"\\\\\\u0001","b":"a\\/b\\/c"}'


def test_an_array_is_a_list_only_when_its_keys_count_up_from_nought() -> None:
    assert signed_json(read_query("a[1]=y&a[0]=x")) == '{"a":["x","y"]}'
    assert signed_json(read_query("a[2]=y&a[10]=z&a[1]=x")) == '{"a":{"1":"x","2":"y","10":"z"}}'
    assert signed_json(tree_of({"a": []})) == '{"a":[]}'


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("a=1&a=2", {"a": "2"}),
        ("a[]=x&a[]=y&a[7]=z&a[]=last", {"a": {0: "x", 1: "y", 7: "z", 8: "last"}}),
        ("a[ ]=x&a[-3]=y&a[]=z", {"a": {0: "x", -3: "y", 1: "z"}}),
        ("a[01]=x&a[1]=y&a[9223372036854775808]=z", {"a": {"01": "x", 1: "y", "9223372036854775808": "z"}}),
        ("a=text&a[b]=c", {"a": {"b": "c"}}),
        ("a[b]=c&a=text", {"a": "text"}),
        ("_param_a.b c=1&%20%20x.y[q.r]=2", {"_param_a_b_c": "1", "x_y": {"q.r": "2"}}),
        ("a[b]tail=1&a[c]tail[d]=2", {"a": {"b": "1", "c": "2"}}),
        ("a[b.c=1&d[e][f=2", {"a_b_c": "1", "d": {"e": "2"}}),
        ("[a]=1&=2&&b", {"b": ""}),
        ("products[0][name]=%D0%A2+%2F&products%5B0%5D%5Bprice%5D=1", {"products": {0: {"name": "Т /", "price": "1"}}}),
        ("a[b]c]=1&d%00e=2", {"a": {"b": "1"}, "d": "2"}),
        (f"a{'[x]' * 65}=1&b=2", {"b": "2"}),
    ],
)
def test_a_form_is_read_as_php_reads_it(query: str, tree: Tree) -> None:
    assert read_query(query) == tree


def test_what_php_would_not_take_whole_is_refused() -> None:
    assert len(read_query("&".join(f"a[{i}]=1" for i in range(MAX_FIELDS)))["a"]) == MAX_FIELDS
    with pytest.raises(FormError):
        read_query("&".join(f"a{i}=1" for i in range(MAX_FIELDS + 1)))
    with pytest.raises(FormError):
        read_query("a=%FF")


NAMES = st.one_of(st.integers(0, 12).map(str), st.text("abz_-é/", min_size=1, max_size=5))
LEAVES = st.text(max_size=8).filter(lambda text: "\x00" not in text)
PLAIN = st.recursive(LEAVES, lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=4))


@given(st.dictionaries(NAMES, PLAIN, min_size=1, max_size=5))
def test_what_is_written_is_read_again_and_signed_as_the_same(plain: dict[str, Any]) -> None:
    tree = tree_of(plain)
    again = read_pairs(write_pairs(tree))
    assert again == tree
    assert sign(again, "key") == sign(tree, "key")
    assert tree_of_json(json.loads(signed_json(tree))) == tree


def tree_of_json(value: Any) -> Tree:
    return tree_of(value if isinstance(value, dict) else {str(i): item for i, item in enumerate(value)})
