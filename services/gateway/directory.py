"""The demo directory: five known people to try everything with. Outside production only; passwords are kept as Argon2 hashes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from services.gateway.login_limit import FailureLimit
from services.gateway.problems import Problem

PASSWORD_LENGTH_MAX: Final = 200
_CHECKS_AT_ONCE: Final = 2
_WAITING_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Person:
    user_id: str
    email: str
    name: str
    role: str
    password_hash: str


HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""OWASP's least for Argon2id (Password Storage Cheat Sheet): some 20 ms of one core a login."""

PEOPLE: Final = (
    Person(
        "1",
        "test@user.rs",
        "testuser",
        "student",
        "$argon2id$v=19$m=19456,t=2,p=1$WlGNRlgf5WoEkmRuaJ845Q$psBvOo2RD4yD6+7+LCWLLYmSAhYWDllVs3jrNu/jPBY",
    ),
    Person(
        "2",
        "mentor@user.rs",
        "mentor",
        "mentor",
        "$argon2id$v=19$m=19456,t=2,p=1$g6h2fS7PBJF6nQIijmQvOg$+dJlVB5I/yIqtVLcgNkSrGi227ERPoeuIRBZi50xHLE",
    ),
    Person(
        "3",
        "other@user.rs",
        "other",
        "student",
        "$argon2id$v=19$m=19456,t=2,p=1$c+rUmeTzvBtVXbDzfsa67Q$CCnaQNc1iNScBKKvoWw+rY2KfYNFihI82D6TCcm9iuE",
    ),
    Person(
        "4",
        "mentor2@user.rs",
        "mentor2",
        "mentor",
        "$argon2id$v=19$m=19456,t=2,p=1$u7dSGyBegVzSBd+djn3W8A$aNqd2q3U6EDCkgPq9zdHhCibH2SYhgOa0vKwS99HWg8",
    ),
    Person(
        "9",
        "admin@user.rs",
        "admin",
        "admin",
        "$argon2id$v=19$m=19456,t=2,p=1$x3RR5uYcO6tcY/6BBzt3WQ$Wla5qC2VwYEAmkpFm5nedIWDqX96P5RI91S7KZyye/A",
    ),
)

# Checked when the login is unknown, so that the answer's time does not tell.
_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$QZpdtkaNFJNE+EqaLttZTg$vhqBIV+8kqIyU34Gs9VGW+uqCN8d/Ibv+xvYY9urZas"


class Directory:
    """Who may log in with a password, and how often one may get it wrong.

    At most two passwords are hashed at once, and a few wait: hashing is dear on purpose, and may not starve the requests beside it.
    """

    def __init__(self, failures: FailureLimit, failures_of_address: FailureLimit) -> None:
        self._people = {login: person for person in PEOPLE for login in (person.email, person.name)}
        self._failures = failures
        self._failures_of_address = failures_of_address
        self._hashing = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._waiting = 0

    async def authenticate(self, login: str, password: str, address: str) -> Person:
        """The person with this login (name or e-mail, any case) and password.

        Problems: invalid_credentials, too_many_requests, busy.
        """
        login = _normal(login)
        if self._waiting >= _WAITING_MAX:
            raise Problem("busy", "too many logins at once")
        self._waiting += 1
        try:
            async with self._hashing:
                return await self._check(login, password, address)
        finally:
            self._waiting -= 1

    def user_id_of(self, login: str) -> str | None:
        """Whose login this is, whoever types it."""
        person = self._people.get(_normal(login))
        return None if person is None else person.user_id

    async def _check(self, login: str, password: str, address: str) -> Person:
        # Asked when it is this attempt's turn, so that a burst of guesses cannot slip through together.
        pair = f"{login} {address}"
        wait = max(self._failures.wait_seconds(pair), self._failures_of_address.wait_seconds(address))
        if wait:
            raise Problem("too_many_requests", "too many failed logins", headers={"Retry-After": str(wait)})
        person = self._people.get(login)
        right = await asyncio.to_thread(_matches, person.password_hash if person else _NOBODY, password)
        if person is None or not right:
            self._failures.failed(pair)
            self._failures_of_address.failed(address)
            raise Problem("invalid_credentials", "login or password is wrong")
        return person


def _normal(login: str) -> str:
    return login.strip().lower()


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
