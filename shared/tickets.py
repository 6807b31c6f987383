"""Stream tickets: gateway signs one for a user, notifier verifies it; wallet's unique insert makes it single use."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ValidationError

from shared.keys import Keys

LABEL: Final = "stream-ticket"
_MAX_LENGTH: Final = 1000


class BadTicket(Exception):
    """The ticket is garbled, forged or expired."""


class Ticket(BaseModel):
    """A right to open one socket: until `expires_at` to use it, until `session_expires_at` (the token's own end) to stay."""

    ticket_id: UUID
    user_id: str
    expires_at: AwareDatetime
    session_expires_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class TicketOffice:
    keys: Keys

    def sign(self, ticket: Ticket) -> str:
        body = ticket.model_dump_json().encode()
        return f"{_encode(body)}.{_encode(hmac.digest(self.keys.signing(LABEL), body, sha256))}"

    def verify(self, text: str) -> Ticket:
        """The ticket, if one of our keys signed it and it has not expired; BadTicket otherwise."""
        try:
            if len(text) > _MAX_LENGTH:
                raise BadTicket("length")
            body, signature = (_decode(part) for part in text.split(".", 1))
            if not any(hmac.compare_digest(hmac.digest(key, body, sha256), signature) for key in self.keys.verifying(LABEL)):
                raise BadTicket("signature")
            ticket = Ticket.model_validate_json(body)
        except (ValueError, binascii.Error, ValidationError) as error:
            raise BadTicket("form") from error
        if ticket.expires_at <= datetime.now(UTC):
            raise BadTicket("expired")
        return ticket


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
