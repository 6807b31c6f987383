"""Who may open a socket: a ticket from gateway, or a bearer token; pure apart from the clock that tickets and tokens are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from shared.tickets import BadTicket, TicketOffice
from shared.tokens import BadToken, TokenVerifier


class Refused(Exception):
    """No, bad or expired ticket or token; the text says which, for the log."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A right to a socket of `user_id` until `session_expires_at`. With a ticket, wallet has yet to say that it was not used before."""

    user_id: str
    session_expires_at: datetime
    ticket_id: UUID | None = None
    ticket_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    tickets: TicketOffice
    tokens: TokenVerifier

    def admit(self, path: str, authorization: Sequence[str]) -> Admitted:
        """Whom the request's target (with its query) and its Authorization headers name; Refused otherwise. A header decides alone."""
        if authorization:
            return self._by_token(authorization)
        values = parse_qs(urlsplit(path).query).get("ticket", [])
        if len(values) != 1:
            raise Refused("no ticket" if not values else "several tickets")
        try:
            ticket = self.tickets.verify(values[0])
        except BadTicket as error:
            raise Refused(f"bad ticket: {error}") from error
        return Admitted(ticket.user_id, ticket.session_expires_at, ticket.ticket_id, ticket.expires_at)

    def _by_token(self, authorization: Sequence[str]) -> Admitted:
        scheme, _, token = authorization[0].partition(" ")
        if len(authorization) != 1 or scheme.lower() != "bearer":
            raise Refused("authorization is not one bearer token")
        try:
            identity = self.tokens.verify(token.strip())
        except BadToken as error:
            raise Refused(f"bad token: {error}") from error
        return Admitted(identity.user_id, identity.expires_at)
