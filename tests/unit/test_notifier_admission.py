"""Who may open a socket, and which pages' origins are allowed when nobody says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
from pydantic import ValidationError

from services.notifier.admission import Admission, Admitted, Refused
from services.notifier.config import NotifierSettings
from shared.keys import Keys
from shared.origins import default_origins, origin_of
from shared.tickets import Ticket, TicketOffice
from shared.tokens import TokenVerifier

SECRET = "made up for this test, 0123456789 abcdefgh"
TICKET_ID = UUID("0198c0de-0000-7000-8000-000000000002")
NOW = datetime.now(UTC).replace(microsecond=0)
SOON = NOW + timedelta(minutes=30)
"""A ticket's end: made at import, it has to outlive a long run."""
LATER = NOW + timedelta(hours=1)

office = TicketOffice(Keys((SECRET,)))
admission = Admission(office, TokenVerifier("HS256", "purser", "purser", SECRET))


def ticket() -> str:
    return office.sign(Ticket(ticket_id=TICKET_ID, user_id="1", expires_at=SOON, session_expires_at=LATER))


def token(**claims: object) -> str:
    return jwt.encode({"sub": "2", "iss": "purser", "aud": "purser", "exp": LATER} | claims, SECRET, "HS256")


def test_a_ticket_names_its_user_its_own_end_and_the_sessions() -> None:
    assert admission.admit(f"/ws?ticket={ticket()}", []) == Admitted("1", LATER, TICKET_ID, SOON)


def test_a_bearer_token_has_no_ticket_to_use_up() -> None:
    assert admission.admit("/ws", [f"bearer {token()}"]) == Admitted("2", LATER)


def test_a_header_decides_alone() -> None:
    assert admission.admit(f"/ws?ticket={ticket()}", [f"Bearer {token()}"]).user_id == "2"
    with pytest.raises(Refused):
        admission.admit(f"/ws?ticket={ticket()}", ["Bearer garbled"])


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", f"Bearer {token(aud='other')}", f"Bearer {token(iss='other')}"])
def test_other_headers_are_refused(header: str) -> None:
    with pytest.raises(Refused):
        admission.admit("/ws", [header])


def test_two_headers_or_two_tickets_are_refused() -> None:
    with pytest.raises(Refused):
        admission.admit("/ws", [f"Bearer {token()}"] * 2)
    with pytest.raises(Refused):
        admission.admit(f"/ws?ticket={ticket()}&ticket={ticket()}", [])


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("http://localhost:8000", {"http://localhost:8000", "http://127.0.0.1:8000"}),
        ("http://127.0.0.1:8000/some/path", {"http://localhost:8000", "http://127.0.0.1:8000"}),
        ("http://localhost", {"http://localhost", "http://127.0.0.1"}),
        ("https://Pay.Example.com:443/", {"https://pay.example.com"}),
        ("https://pay.example.com:8443", {"https://pay.example.com:8443"}),
    ],
)
def test_the_default_origins_are_the_public_urls_and_its_local_twin(url: str, origins: set[str]) -> None:
    assert default_origins(url) == origins


@pytest.mark.parametrize("url", ["", "null", "*", "localhost:8000", "ftp://example.com", "https://"])
def test_what_has_no_origin_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        origin_of(url)


def settings(**more: object) -> NotifierSettings:
    given = {"amqp_url": "amqp://broker", "secret_key": SECRET.replace(",", "-"), "jwt_secret": SECRET, **more}
    return NotifierSettings(_env_file=None, **given)  # type: ignore[arg-type]


def test_the_gateways_port_makes_the_default_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALLOWED_ORIGINS", "PUBLIC_URL", "GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert settings(gateway_port=9000).origins == {"http://localhost:9000", "http://127.0.0.1:9000"}
    assert settings(allowed_origins="https://a.example/, HTTPS://B.example").origins == {"https://a.example", "https://b.example"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"allowed_origins": "*"}, "origin"),
        ({"public_url": "nonsense"}, "PUBLIC_URL must begin with http:// or https://"),
        ({"sockets_per_user_max": 0}, "greater"),
        (
            {
                "environment": "production",
                "secret_key": "k3J9x0Qw7Zt5Lm2Vb8Nc4Rf6Ty1Ui0Op",
                "jwt_secret": "p0Oi1Uy6Tf4Rc8Nb2Vm5Lt7Zw0Qx9J3k",
                "public_url": "http://pay.example.com",
            },
            "PUBLIC_URL must begin with https:// in production",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start(given: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        settings(**given)
