"""The pure parts of Stripe's emulator: its signatures, parameters, keys, and a book that never gives out more than it took."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from stripe import SignatureVerificationError, WebhookSignature

from tests.emulators.deliveries import Attempt, Delivery
from tests.emulators.stripe.book import Book
from tests.emulators.stripe.errors import Invalid, Refusal
from tests.emulators.stripe.events import Events
from tests.emulators.stripe.idempotency import Answer, IdempotencyKeys
from tests.emulators.stripe.methods import METHODS
from tests.emulators.stripe.objects import Json
from tests.emulators.stripe.parameters import boolean, group, integer, merge_metadata, metadata, parse_form, read, text, texts
from tests.emulators.stripe.signing import signature_header


def test_the_signature_is_the_documented_one() -> None:
    header = signature_header(b'{"id":"evt_test"}', ["whsec_test"], 1_700_000_000)
    assert header.split(",")[:2] == ["t=1700000000", "v1=14c4f43763339dcb1c15f41a1ff31a94f2f09f8de278f8b4392ca0d7cbcd257e"]
    assert " " not in header
    assert signature_header(b"x", ["one", "two"], 1).count("v1=") == 2


def test_each_attempt_at_a_delivery_is_signed_with_its_own_time() -> None:
    sent: list[Delivery] = []
    events = Events(lambda: 1_700_000_000, sent.append)
    events.add_endpoint("http://merchant/hook", ["*"], None, "whsec_test")
    events.emit("payment_intent.created", {"id": "pi_1"})
    tried = [sent[0].sign(Attempt(number, 1_700_000_000.0 + number, forged=False, stale=False)) for number in (1, 60)]
    assert [headers["stripe-signature"].partition(",")[0] for headers, _ in tried] == ["t=1700000001", "t=1700000060"]
    for headers, body in tried:
        WebhookSignature.verify_header(body.decode(), headers["stripe-signature"], "whsec_test")
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(tried[1][1].decode(), tried[0][0]["stripe-signature"].replace("01,", "60,"), "whsec_test")


def test_brackets_nest() -> None:
    assert parse_form("a=1&b[c]=2&b[d][e]=3&f[]=4&f[]=5&g[0]=6&g[1]=7&h=%D0%B6+%26") == {
        "a": "1",
        "b": {"c": "2", "d": {"e": "3"}},
        "f": ["4", "5"],
        "g": {"0": "6", "1": "7"},
        "h": "ж &",
    }
    assert parse_form("") == {}
    assert texts("g", {"1": "b", "0": "a"}) == ["a", "b"]


@pytest.mark.parametrize(
    "encoded", ["a[=1", "[b]=1", "a[b]c=1", "a=1&a[b]=2", "a[b]=1&a[]=2", "a[" + "][".join("b" * 9) + "]=1", "%ff=1", "a"]
)
def test_what_cannot_be_read_is_refused(encoded: str) -> None:
    with pytest.raises(Invalid):
        parse_form(encoded)


@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        ({"n": "1", "x": "1"}, "parameter_unknown", "x"),
        ({}, "parameter_missing", "n"),
        ({"n": "1.5"}, "parameter_invalid_integer", "n"),
        ({"n": {"a": "1"}}, "parameter_invalid_integer", "n"),
        ({"n": "1", "t": ""}, "parameter_invalid_empty", "t"),
        ({"n": "1", "b": "1"}, None, "b"),
        ({"n": "1", "g": {"z": "1"}}, "parameter_unknown", "g[z]"),
        ({"n": "1", "m": {"k" * 41: "v"}}, None, "m"),
        ({"n": "1", "m": {"k": "v" * 501}}, None, "m[k]"),
        ({"n": "1", "m": {"k": {"l": "v"}}}, None, "m"),
    ],
)
def test_parameters_are_of_their_types(sent: Json, code: str | None, param: str) -> None:
    spec = {"n": integer, "t": text, "b": boolean, "g": group({"y": integer}), "m": metadata}
    assert read({"n": "-7", "b": "true", "g": {"y": "2"}}, spec, ("n",)) == {"n": -7, "b": True, "g": {"y": 2}}
    with pytest.raises(Invalid) as refused:
        read(sent, spec, ("n",))
    assert (refused.value.members.get("code"), refused.value.members["param"]) == (code, param)


def test_metadata_is_merged_key_by_key() -> None:
    assert merge_metadata({"a": "1", "b": "2"}, {"b": "", "c": "3"}) == {"a": "1", "c": "3"}
    assert merge_metadata({"a": "1"}, {"": ""}) == {}
    with pytest.raises(Invalid):
        merge_metadata({str(number): "v" for number in range(50)}, {"one more": "v"})


def test_a_key_is_used_once_kept_replayed_and_forgotten() -> None:
    now = 0
    keys = IdempotencyKeys(lambda: now, ttl_seconds=100)
    assert keys.begin("k", "POST /a", {"x": "1"}) is None
    with pytest.raises(Refusal) as in_use:
        keys.begin("k", "POST /a", {"x": "1"})
    assert in_use.value.status == 409
    keys.keep("k", Answer(402, b"declined", "req_1"))
    assert keys.begin("k", "POST /a", {"x": "1"}) == Answer(402, b"declined", "req_1")
    for endpoint, parameters in (("POST /a", {"x": "2"}), ("POST /b", {"x": "1"})):
        with pytest.raises(Refusal) as mismatch:
            keys.begin("k", endpoint, parameters)
        assert (mismatch.value.status, mismatch.value.members["type"]) == (400, "idempotency_error")
    now = 100
    assert keys.begin("k", "POST /b", {}) is None
    keys.forget("k")
    assert keys.begin("k", "POST /c", {}) is None
    with pytest.raises(Invalid):
        keys.begin("k" * 256, "POST /a", {})


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_asked_the_balance_is_what_the_book_says(seed: int) -> None:
    """Random requests, most of them out of turn: each is done whole or refused, and the sums agree at every step."""
    die = random.Random(seed)
    told: list[tuple[str, Json]] = []
    book = Book(emit=lambda kind, shown, previous=None: told.append((kind, shown)), now=lambda: 0)
    account = book.account
    for _ in range(250):
        with contextlib.suppress(Refusal, ValueError):
            _anything(book, die)
        captured = sum(charge.captured_minor for charge in account.charges.oldest_first())
        refunds = [one for one in account.refunds.oldest_first() if one.status in ("succeeded", "pending")]
        left = sum(one.amount for one in refunds if one.pending_reason != "insufficient_funds")
        disputed = sum(one.amount for one in account.disputes.oldest_first() if one.withdrawn)
        assert account.balance["eur"] == captured - left - disputed
        for charge in account.charges.oldest_first():
            back = sum(one.amount for one in refunds if one.charge == charge.id)
            gone = sum(one.amount for one in account.disputes.oldest_first() if one.charge == charge.id and one.withdrawn)
            assert charge.refunded_minor == back
            assert back + gone <= charge.captured_minor <= charge.amount
    succeeded = {shown["id"] for kind, shown in told if kind == "payment_intent.succeeded"}
    assert succeeded == {one.id for one in account.intents.oldest_first() if one.status == "succeeded"}
    assert len([kind for kind, _ in told if kind == "payment_intent.succeeded"]) == len(succeeded), "told once, and never taken back"


def _anything(book: Book, die: random.Random) -> None:
    account = book.account
    intents, charges, refunds = account.intents.oldest_first(), account.charges.oldest_first(), account.refunds.oldest_first()
    do = die.randrange(8)
    if do == 0 or not intents:
        params: dict[str, Any] = {"amount": die.randint(50, 500), "currency": "eur", "allowed_payment_method_types": ["card", "sepa_debit"]}
        book.intents.create(params | {"capture_method": die.choice(("automatic", "manual"))})
    elif do == 1:
        book.intents.confirm(die.choice(intents[-3:]), {"payment_method": die.choice(list(METHODS)), "return_url": "http://shop"})
    elif do == 2:
        book.intents.authenticate(die.choice(intents[-3:]), die.random() < 0.7)
    elif do == 3:
        book.intents.capture(die.choice(intents[-3:]), {"amount_to_capture": die.randint(1, 500)})
    elif do == 4:
        intent = die.choice(intents[-3:])
        book.intents.cancel(intent, None) if die.random() < 0.5 else book.intents.settle(intent, die.random() < 0.7)
    elif do == 5 and charges:
        book.refunds.create({"charge": die.choice(charges[-2:]).id, "amount": die.randint(1, 300)})
    elif do == 6 and refunds:
        refund = die.choice(refunds[-3:])
        book.refunds.fail(refund, "declined") if die.random() < 0.5 else book.refunds.settle(refund)
    elif charges:
        book.disputes.happens(die.choice(charges[-2:]), die.choice(("open", "inquire", "escalate", "review", "win", "lose")), None)
