"""What passes by itself costs a message no attempt: losing the database, its failover, a password that is being rolled."""

from __future__ import annotations

import asyncpg
import pytest

from shared.postgres import is_outage


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.TooManyConnectionsError("too many"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.LockNotAvailableError("lock timeout"),
        asyncpg.QueryCanceledError("statement timeout"),
        # The new primary is not promoted yet.
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
        # SECRET_KEY is being rolled, and with it the roles' passwords: this process is restarted next.
        asyncpg.InvalidPasswordError("password authentication failed"),
        asyncpg.InvalidAuthorizationSpecificationError("role is not permitted to log in"),
        TimeoutError(),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError("duplicate key"),
        asyncpg.CharacterNotInRepertoireError("invalid byte sequence"),
        asyncpg.InsufficientPrivilegeError("permission denied"),
        asyncpg.UndefinedTableError("no such table"),
        ValueError("wrong"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_mistake(error: Exception) -> None:
    assert not is_outage(error)
