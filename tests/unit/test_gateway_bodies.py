"""Money in, and what makes two requests the same: numbers stay their text, nothing is rounded, nothing is guessed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.gateway import exact_json
from services.gateway.api.deposits import DepositRequest
from services.gateway.exact_json import MalformedJson, Number, RepeatedName
from services.gateway.idempotency import idempotency, resource_id
from shared.keys import Keys
from shared.money import major_text, parse_major

KEYS = Keys(("an old secret that is long enough 0123456789", "an older secret that is long enough 012345"))


def test_numbers_keep_the_text_that_was_sent() -> None:
    assert exact_json.parse(b'{"a":0.10,"b":[1e3,-0,100000000000000000000000],"c":"1"}') == {
        "a": Number("0.10"),
        "b": [Number("1e3"), Number("-0"), Number("100000000000000000000000")],
        "c": "1",
    }


@pytest.mark.parametrize(
    ("text", "whole"), [("5", "5"), ("5.0", "5"), ("5.00", "5"), ("0", "0"), ("5.5", None), ("-5", None), ("5e0", None), ("1" * 32, None)]
)
def test_a_whole_number_may_be_written_with_a_point(text: str, whole: str | None) -> None:
    """5.0 is an integer to every JSON Schema, and what some languages make of one."""
    assert Number(text).whole == whole


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{} {}", b"\xff", b'"\\ud800"', b'"\\u0000"', b"[" * 21 + b"]" * 21, b"[" * 100_000, b"01", b"'a'"]
)
def test_what_is_not_one_sound_json_value_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        exact_json.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":%b1%b}' % (b"[" * 18, b"]" * 18),
        b'{"a":[%b]}' % b",".join([b"1"] * 999),
        b'{"a":[%b]}' % b",".join([b"[]", b'"x"', b"null"] * 333),
        b"{%b}" % b",".join(b'"%d":{}' % number for number in range(1_000)),
        b'{"a":"%b"}' % (b"x" * 4_000),
        b'{"%b":%b}' % (b"x" * 4_000, b"9" * 4_000),
    ],
)
def test_a_body_may_be_as_large_as_its_bounds(body: bytes) -> None:
    assert exact_json.parse(body)


@pytest.mark.parametrize(
    ("body", "reason", "loc"),
    [
        (b'{"a":%b1%b}' % (b"[" * 20, b"]" * 20), "is nested too deeply", ()),
        (b'{"a":[%b]}' % b",".join([b"1"] * 1_000), "has more than 1000 members and items", ()),
        (b'{"a":[%b]}' % b",".join([b"[]", b'"x"', b"null", b"{}"] * 250), "has more than 1000 members and items", ()),
        (b"{%b}" % b",".join(b'"%d":""' % number for number in range(1_001)), "has more than 1000 members and items", ()),
        (b'{"a":"%b"}' % (b"x" * 4_001), "holds a text of more than 4000 characters", ("a",)),
        (b'{"a":{"%b":1}}' % (b"x" * 4_001), "holds a text of more than 4000 characters", ("a",)),
        (b'{"a":[1,{"b":%b}]}' % (b"9" * 4_001), "holds a text of more than 4000 characters", ("a", 1, "b")),
        (b'{"a":{"b":"\\u0000"}}', "holds a NUL character", ("a", "b")),
    ],
)
def test_what_has_no_end_is_refused_by_name(body: bytes, reason: str, loc: tuple[str | int, ...]) -> None:
    with pytest.raises(MalformedJson) as refused:
        exact_json.parse(body)
    assert (str(refused.value), refused.value.loc) == (reason, loc)


def test_a_name_given_twice_is_refused_by_name() -> None:
    with pytest.raises(RepeatedName) as raised:
        exact_json.parse(b'{"amount":1,"amount":2}')
    assert raised.value.name == "amount"


@given(st.integers(min_value=1, max_value=10**15), st.sampled_from(["rsd", "jpy", "kwd"]), st.booleans())
def test_every_amount_comes_out_as_it_went_in(amount_minor: int, currency: str, as_string: bool) -> None:
    text = major_text(amount_minor, currency)
    body = b'{"amount":%s,"currency":"%s"}' % ((f'"{text}"' if as_string else text).encode(), currency.encode())
    request = DepositRequest.model_validate(exact_json.parse(body))
    assert parse_major(request.amount, request.currency).amount_minor == amount_minor


@given(st.decimals(min_value=Decimal("0.0001"), max_value=10**6, allow_nan=False, places=4))
def test_nothing_is_rounded(amount: Decimal) -> None:
    text = f"{amount:f}"
    request = DepositRequest.model_validate(exact_json.parse(f'{{"amount":{text},"currency":"rsd"}}'.encode()))
    whole = (amount * 100) % 1 == 0
    try:
        money = parse_major(request.amount, request.currency)
    except ValueError:
        assert not whole
    else:
        assert whole
        assert Decimal(money.amount_minor) == amount * 100


@pytest.mark.parametrize(
    "amount", [True, False, None, [], {}, 5, 5.0, Number("1e3"), Number("NaN"), Number("-1"), "", " 1", "1,5", "0x10", "٣", ".5"]
)
def test_what_is_no_plain_decimal_is_refused(amount: Any) -> None:
    """Python's own int and float too: nothing that went through a float may become money."""
    with pytest.raises(ValidationError) as raised:
        DepositRequest.model_validate({"amount": amount, "currency": "rsd"})
    assert raised.value.errors()[0]["loc"] == ("amount",)


def fingerprint(body: bytes, *, path: str = "/api/v1/balance/deposit", query: bytes = b"") -> str:
    return exact_json.fingerprint(path, query, exact_json.parse(body))


def test_spacing_and_order_do_not_make_another_request() -> None:
    assert fingerprint(b'{"a":1,"b":"x"}') == fingerprint(b' {\n"b" : "x", "a":1 }')


def test_anything_else_does() -> None:
    bodies = [b'{"a":1}', b'{"a":1.0}', b'{"a":"1"}', b'{"a":2}', b'{"b":1}', b"{}", b'{"a":null}', b'{"a":[1]}']
    prints = {fingerprint(body) for body in bodies} | {fingerprint(bodies[0], path="/other"), fingerprint(bodies[0], query=b"x=1")}
    assert len(prints) == len(bodies) + 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_a_fingerprint_depends_on_the_value_alone(value: Any) -> None:
    try:
        plain = exact_json.parse(json.dumps(value).encode())
        indented = exact_json.parse(json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except MalformedJson:
        return
    assert exact_json.fingerprint("/", b"", plain) == exact_json.fingerprint("/", b"", indented)


def made_by(user_id: str = "1", operation: str = "POST /a", key: str | None = "k", fingerprint: str = "0" * 64) -> Any:
    return idempotency(user_id, operation, key, fingerprint)


def test_an_id_is_a_keyed_hash_of_caller_operation_and_key() -> None:
    first = resource_id(KEYS, made_by())
    assert resource_id(KEYS, made_by(fingerprint="1" * 64)) == first, "the body is not part of it"
    others = [made_by("2"), made_by(operation="POST /b"), made_by(key="K")]
    assert len({first, *(resource_id(KEYS, other) for other in others), resource_id(Keys(("x" * 32,)), made_by())}) == 5
    assert (first.version, first.variant) == (8, RFC_4122)


def test_without_a_key_every_request_is_new() -> None:
    ids = {resource_id(KEYS, made_by(key=None)) for _ in range(3)}
    assert (len(ids), {one.version for one in ids}) == (3, {7})


def test_the_key_itself_is_not_handed_on() -> None:
    assert "secret-key" not in made_by(key="secret-key").model_dump_json()
