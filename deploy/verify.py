"""Verifies the book over the running stack: invariants A to G, each broken one with the rows that break it.

Exit status: 0 all hold, 1 some are broken, 2 they cannot be asked.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson
from aio_pika.exceptions import AMQPError
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.verification.asking import Verdict, ask_all
from deploy.verification.invariants import Finding
from shared.settings import load

HOLDS, BROKEN, CANNOT_ASK = 0, 1, 2


class VerifierSettings(BaseSettings):
    """Where to look: the verifier's own read-only login, and the broker for its dead letters (unset: they are not looked at)."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", hide_input_in_errors=True)
    verifier_database_url: str = Field(description="postgresql://purser_verifier:password@host:port/database")
    amqp_url: str | None = None


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.verify", description=__doc__, epilog="Reads VERIFIER_DATABASE_URL and AMQP_URL from the environment or .env."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument(
        "--settle-seconds", type=_seconds, default=10.0, metavar="N", help="how long work in progress may take to come to rest (default 10)"
    )
    arguments = parser.parse_args()
    raise SystemExit(verify(load(VerifierSettings), as_json=arguments.json, settle_seconds=arguments.settle_seconds))


def verify(settings: VerifierSettings, *, as_json: bool, settle_seconds: float) -> int:
    """Asks and prints; the exit status."""
    try:
        verdict = asyncio.run(ask_all(settings.verifier_database_url, settings.amqp_url, settle_seconds))
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, AMQPError) as error:
        print(f"cannot verify: {type(error).__name__}: {error}", file=sys.stderr)
        return CANNOT_ASK
    print(json_text(verdict) if as_json else "\n".join(lines(verdict)))
    return HOLDS if verdict.holds else BROKEN


def lines(verdict: Verdict) -> list[str]:
    """A line an invariant, the rows that break it below, the sum of it all last."""
    text = [line for finding in verdict.findings for line in _finding_lines(finding)]
    looked_at = f"{verdict.transfers} transfers, {verdict.accounts} users' accounts, {verdict.completed_payments} completed payments"
    letters = sorted({finding.letter for finding in verdict.findings})
    broken = sorted({finding.letter for finding in verdict.findings if not finding.holds})
    not_asked = [f"{finding.letter}: {finding.claim} ({finding.not_asked})" for finding in verdict.findings if finding.not_asked]
    if broken:
        text.append(f"BROKEN: {', '.join(broken)} ({looked_at})")
    else:
        unseen = f"; not asked: {'; '.join(not_asked)}" if not_asked else ""
        text.append(f"the book adds up: invariants {', '.join(letters)} hold ({looked_at}){unseen}")
    return text


def json_text(verdict: Verdict) -> str:
    """The verdict for programs; amounts stay integers, times are RFC 3339."""
    return orjson.dumps(
        {
            "holds": verdict.holds,
            "transfers": verdict.transfers,
            "accounts": verdict.accounts,
            "completed_payments": verdict.completed_payments,
            "invariants": [
                {"invariant": f.letter, "claim": f.claim, "holds": f.holds, "not_asked": f.not_asked, "rows": f.rows, "more": f.more}
                for f in verdict.findings
            ],
        },
        default=str,
        option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z,
    ).decode()


def _finding_lines(finding: Finding) -> list[str]:
    state = f"not asked: {finding.not_asked}" if finding.not_asked else "holds" if finding.holds else "BROKEN"
    rows = [f"     {_row_text(row)}" for row in finding.rows]
    return [f"{finding.letter}  {finding.claim}: {state}", *rows, *(["     … and more"] if finding.more else [])]


def _row_text(row: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in row.items() if value is not None)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("must be between 0 and 3600")
    return seconds


if __name__ == "__main__":
    main()
