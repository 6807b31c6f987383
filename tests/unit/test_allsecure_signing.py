"""How requests to AllSecure are signed: the vendor's vectors, and what is really sent."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest

from services.payments.providers.allsecure.client import AllSecureClient, Credentials
from services.payments.providers.allsecure.signing import CONTENT_TYPE, date_text, signature

ORDER = (
    b'{"merchantTransactionId":"ord-42","amount":"9.99","currency":"EUR","successUrl":"https://shop.example/ok",'
    b'"cancelUrl":"https://shop.example/cancel","errorUrl":"https://shop.example/err","callbackUrl":"https://shop.example/webhooks/allsecure"}'
)
TOLD = (
    b'{"result":"OK","uuid":"d94c0d72f3a36e21f16e","merchantTransactionId":"ord-42","purchaseId":"20261120-d94c0d72f3a36e21f16e",'
    b'"transactionType":"DEBIT","paymentMethod":"Creditcard","amount":"9.99","currency":"EUR"}'
)
UTC_DATE, GMT_DATE = "Fri, 20 Nov 2026 12:00:00 UTC", "Fri, 20 Nov 2026 12:00:00 GMT"
DEBIT = "/api/v3/transaction/my-api-key/debit"
QUESTION = "/api/v3/status/my-api-key/getByMerchantTransactionId/ord-42"
WEBHOOK = "/webhooks/allsecure?tenant=1"

SIGNATURES = {
    "1": "LywS5FliHP3YuLfaJDV/MIJ8l5P/KDqLCu/emoHHflD/ERvdhXLJDAR2gBBNxsoOaEpmE4g88ZoE737ut4EYVg==",
    "2": "2dImJqk+y23VYlhWHX3WDTsWCFhRH0nddw/CagtNAfWSgYqZamtKgMvcXC8+65A2ZqiTl9pQElGgX6lqCvLX4g==",
    "4": "/IO12WJZ3o+et1d64sIPw+PaCgP+g9aaPbts/Co9owBl40pwlJ0WpOlNCGWlXT5ksz14zuxJvsOVgQoirmEwyw==",
    "5": "CBhigUeEObDIpwSI6cjSGUO+RVUF1slgAXtHCVRdDQbDBbB7reP29MCvCV0rmQ4vKvGDPooKwtegs4KicpUU4Q==",
    "6": "W5E0G/mHh32OyXrixvpSWvAdqcQSMDmgmiSW6vPGFhFEJMWC3Dt8WcH6MAXeykfPwPNaIkJ9z1ewehhfQdOdHA==",
}
SIGNED = {
    "1": ("POST", ORDER, CONTENT_TYPE, UTC_DATE, DEBIT),
    "2": ("POST", ORDER, CONTENT_TYPE, GMT_DATE, DEBIT),
    "4": ("GET", b"", CONTENT_TYPE, UTC_DATE, QUESTION),
    "5": ("POST", TOLD, CONTENT_TYPE, GMT_DATE, WEBHOOK),
    "6": ("POST", TOLD, "application/json", GMT_DATE, WEBHOOK),
}
MD5_OF_1 = "uMMp/ECI40dGcxH/A4PcNHP97UXf/c2syO0NGTNUzB4L4b7TR92ZwCaSK2AFtcJ6h0kTLNC/Zi3+EDoAecztmw=="
"""Vector 3: the body hashed with MD5, as their own client does by default."""


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_vector_of_the_vendor(name: str) -> None:
    method, body, content_type, date, target = SIGNED[name]
    assert signature("test", method=method, body=body, date=date, target=target, content_type=content_type) == SIGNATURES[name]


def test_the_older_hash_of_the_body_is_never_signed_with() -> None:
    assert signature("test", method="POST", body=ORDER, date=UTC_DATE, target=DEBIT) == SIGNATURES["1"] != MD5_OF_1


def test_the_date_is_in_gmt_wherever_the_clock_stands() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert date_text(noon) == date_text(noon.astimezone(timezone(timedelta(hours=9)))) == GMT_DATE


@pytest.mark.parametrize("base_path", ["", "/gateway"])
async def test_what_is_signed_is_what_is_sent(base_path: str) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    credentials = Credentials(f"https://asx.example{base_path}", "api user", "key/with a slash", "pass:word", "test")
    client = AllSecureClient(credentials, transport=httpx.MockTransport(answer))
    await client.transact("debit", {"merchantTransactionId": "a", "description": "Доплата š"}, client.until())
    await client.ask("a b?c", client.until())
    await client.close()

    debit, question = sent
    assert debit.url.raw_path.decode() == f"{base_path}/api/v3/transaction/key%2Fwith%20a%20slash/debit"
    assert question.url.raw_path.decode() == f"{base_path}/api/v3/status/key%2Fwith%20a%20slash/getByMerchantTransactionId/a%20b%3Fc"
    for request in sent:
        headers, date = request.headers, request.headers["Date"]
        assert headers.get_list("Content-Type") == [CONTENT_TYPE]
        assert headers["X-Date"] == date
        assert date.endswith(" GMT")
        expected = signature("test", method=request.method, body=request.content, date=date, target=request.url.raw_path.decode())
        assert headers["X-Signature"] == expected
        assert headers["Authorization"] == f"Basic {base64.b64encode(b'api user:pass:word').decode()}"
    assert (debit.method, question.method, question.content) == ("POST", "GET", b"")
    assert "Доплата š".encode() in debit.content
