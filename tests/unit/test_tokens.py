"""Bearer tokens: only the pinned algorithm, our issuer and audience, an expiry, and a signature by the right key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.jwks import JwksUnavailable, KeySet
from shared.tokens import BadToken, TokenVerifier

SECRET = "the-shared-secret-of-these-tests-is-long-enough"
VERIFIER = TokenVerifier("HS256", "purser", "purser", SECRET)


def claims(**changes: Any) -> dict[str, Any]:
    fields = {"sub": "1", "iss": "purser", "aud": "purser", "exp": int(time.time()) + 600, "roles": ["student"]}
    return {name: value for name, value in (fields | changes).items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def by_hand(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def test_a_good_token_tells_who_asks() -> None:
    exp = int(time.time()) + 600
    identity = VERIFIER.verify(token(sub="7", roles=["mentor", "admin"], email="a@example.org", locale="sr", exp=exp))

    assert identity.user_id == "7"
    assert identity.roles == {"mentor", "admin"}
    assert identity.is_admin
    assert identity.email == "a@example.org"
    assert identity.locale == "sr"
    assert identity.expires_at.timestamp() == exp


def test_a_role_that_we_do_not_know_is_nothing() -> None:
    identity = VERIFIER.verify(token(roles=["root", "student", 5]))

    assert identity.roles == {"student"}
    assert not VERIFIER.verify(token(roles=None)).roles


@pytest.mark.parametrize(
    "changes",
    [
        *({"iss": "someone"}, {"iss": None}, {"aud": "someone"}, {"aud": None}, {"exp": None}, {"sub": None}),
        *({"sub": ""}, {"sub": "x" * 65}, {"exp": 1}, {"exp": "soon"}, {"roles": "admin"}, {"roles": {"admin": True}}),
        *({"sub": "a\x00b"}, {"sub": "a\nb"}, {"sub": "a\ud800"}),
        {"nbf": 4_102_444_800},
    ],
    ids=str,
)
def test_a_token_with_wrong_or_missing_claims_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        VERIFIER.verify(token(**changes))


@pytest.mark.parametrize("exp", [10**12, 10**18, 10**30, 1e308, float("inf"), float("nan"), "soon", [1], True])
def test_an_expiry_that_is_no_time_to_come_is_refused(exp: Any) -> None:
    with pytest.raises(BadToken):
        VERIFIER.verify(token(exp=exp))


def test_an_expiry_written_as_text_is_still_that_time() -> None:
    exp = int(time.time()) + 600

    assert VERIFIER.verify(token(exp=str(exp))).expires_at.timestamp() == exp


def test_an_address_that_no_answer_could_hold_is_left_out() -> None:
    identity = VERIFIER.verify(token(email="a\ud800@example.org", locale="\x00"))

    assert (identity.email, identity.locale) == (None, None)


def test_a_number_as_subject_is_refused() -> None:
    body = claims() | {"sub": 1}
    with pytest.raises(BadToken):
        VERIFIER.verify(jwt.encode(body, SECRET, algorithm="HS256"))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
def test_a_token_that_says_it_needs_no_signature_is_refused(name: str) -> None:
    with pytest.raises(BadToken):
        VERIFIER.verify(by_hand({"alg": name, "typ": "JWT"}, claims()))


def test_another_algorithm_of_the_same_family_is_refused() -> None:
    with pytest.raises(BadToken):
        VERIFIER.verify(token(SECRET * 2, "HS512"))


def test_a_forged_signature_is_refused() -> None:
    head, body, signature = token().split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims(roles=["admin"])).encode()).decode().rstrip("=")

    for forged in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}", token("another-secret-that-is-long-enough-as-well")):
        with pytest.raises(BadToken):
            VERIFIER.verify(forged)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "\udcff", "x" * 100_000, "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA"])
def test_garble_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        VERIFIER.verify(text)


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def by_key_set(private_key: rsa.RSAPrivateKey, tmp_path: Path) -> TokenVerifier:
    entry = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key.public_key()))
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [entry | {"kid": "first", "use": "sig"}]}))
    return TokenVerifier("RS256", "purser", "purser", KeySet.load(str(file), "RS256"))


def test_a_token_by_a_key_of_the_set_is_good(by_key_set: TokenVerifier, private_key: rsa.RSAPrivateKey) -> None:
    assert by_key_set.verify(token(private_key, "RS256", {"kid": "first"})).user_id == "1"
    assert by_key_set.verify(token(private_key, "RS256")).user_id == "1"


def test_the_public_key_used_as_a_shared_secret_signs_nothing(by_key_set: TokenVerifier, private_key: rsa.RSAPrivateKey) -> None:
    """The confusion of algorithms: everyone knows the public key, so an HMAC by it must prove nothing."""
    public = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = by_hand({"alg": "HS256", "typ": "JWT", "kid": "first"}, claims()).rsplit(".", 1)[0]
    forged = unsigned + "." + base64.urlsafe_b64encode(hmac.digest(public, unsigned.encode(), hashlib.sha256)).decode().rstrip("=")

    with pytest.raises(BadToken):
        by_key_set.verify(forged)


def test_an_unknown_or_foreign_key_is_refused(by_key_set: TokenVerifier) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    for kid in ("first", "second"):
        with pytest.raises(BadToken):
            by_key_set.verify(token(stranger, "RS256", {"kid": kid}))


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}', '{"keys": "no"}', "[1]", '{"keys": [1]}']
)
def test_a_key_set_without_a_fitting_key_stops_the_start(text: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)

    with pytest.raises(JwksUnavailable):
        KeySet.load(str(file), "RS256")
