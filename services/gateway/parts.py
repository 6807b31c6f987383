"""What the routes work with: made in main.py, found on the app by every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from services.gateway.auth import Caller, Gate
from services.gateway.config import GatewaySettings
from services.gateway.directory import Directory
from services.gateway.hypertext import Hypertext
from services.gateway.ingress import Ingress
from services.gateway.logins import LoginRecords
from services.gateway.methods import Methods
from services.gateway.problems import Problem
from services.gateway.requests import Services
from shared.health import Health
from shared.keys import Keys
from shared.tickets import TicketOffice


@dataclass(frozen=True, slots=True)
class Parts:
    """`directory` is None where nobody may log in with a password."""

    settings: GatewaySettings
    keys: Keys
    gate: Gate
    services: Services
    methods: Methods
    ingress: Ingress
    tickets: TicketOffice
    health: Health
    directory: Directory | None
    logins: LoginRecords
    hypertext: Hypertext


async def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


async def _caller(request: Request) -> Caller:
    return cast(Parts, request.app.state.parts).gate.admit(request)


async def _guest_or_caller(request: Request) -> Caller | None:
    return cast(Parts, request.app.state.parts).gate.admit_guest(request)


async def _admin(request: Request) -> Caller:
    caller = await _caller(request)
    if not caller.identity.is_admin:
        raise Problem("forbidden", "Only an admin may do this.")
    return caller


GatewayParts = Annotated[Parts, Depends(_parts)]
SignedIn = Annotated[Caller, Depends(_caller)]
"""The caller, who must be known; 401 or 403 otherwise."""
AdminOnly = Annotated[Caller, Depends(_admin)]
"""The caller, who must be an admin; 401 or 403 otherwise, before anything of the request is looked at."""
GuestOrSignedIn = Annotated[Caller | None, Depends(_guest_or_caller)]
"""The caller, or None for a guest; 401 for a bad header, 403 for a cookie without its CSRF token."""
