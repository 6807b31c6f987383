"""Compares a day of our book with the providers' own, and prints where they differ: `python -m services.payments.compare --day 2026-11-20`.

Reads the settings of payments. Exit status: 0 they agree, 1 they differ, 2 it cannot be told. Providers that list nothing are asked about
each payment, as slowly as they demand; one that cannot even be asked is named with what is to be compared by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import asyncpg

from services.payments.adapters import Adapters, real_adapters
from services.payments.config import PaymentsSettings
from services.payments.handlers.comparison import Compared, Comparison
from services.payments.providers.base import NotStated
from shared import postgres
from shared.contracts.base import utc_now
from shared.methods import PROVIDERS
from shared.settings import load
from shared.telemetry import configure_logging

AGREE: Final = 0
DIFFER: Final = 1
CANNOT_TELL: Final = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.payments.compare", description=__doc__)
    parser.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="in UTC; default: yesterday")
    named = f"one of {', '.join(PROVIDERS)}; may be given several times; default: all that are configured"
    parser.add_argument("--provider", action="append", choices=PROVIDERS, metavar="NAME", help=named)
    arguments = parser.parse_args()
    settings = load(PaymentsSettings)
    configure_logging("payments", "ERROR")
    day = arguments.day or (utc_now() - timedelta(days=1)).date()
    raise SystemExit(asyncio.run(compare(settings, day, arguments.provider)))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; one is 2026-11-20") from None


async def compare(settings: PaymentsSettings, day: date, names: Sequence[str] | None) -> int:
    """Prints what was compared; the exit status."""
    adapters = real_adapters(settings)
    try:
        unknown = sorted(set(names or ()) - set(adapters.providers))
        if unknown:
            print(f"cannot compare: {', '.join(unknown)}: no credentials are set", file=sys.stderr)
            return CANNOT_TELL
        if not adapters.providers:
            print("nothing to compare: no provider is configured")
            return AGREE
        pool = await postgres.create_pool(settings.database_url, size=2, application_name="purser compare")
        try:
            return await _all(adapters, Comparison(pool, _progress), day, names or tuple(adapters.providers))
        finally:
            await postgres.close_pool(pool)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        print(f"cannot compare: DATABASE_URL: {error or type(error).__name__}", file=sys.stderr)
        return CANNOT_TELL
    finally:
        await adapters.close()


async def _all(adapters: Adapters, comparison: Comparison, day: date, names: Sequence[str]) -> int:
    since = datetime.combine(day, time(), UTC)
    codes = [AGREE]
    for name in names:
        try:
            compared = await comparison.compare(adapters.providers[name], adapters.statements.get(name), since, since + timedelta(days=1))
        except NotStated as error:
            print(f"{name} {day}: cannot be compared: {error}")
            codes.append(CANNOT_TELL)
            continue
        print("\n".join(lines(compared, day)))
        codes.append(DIFFER if compared.differences else AGREE)
    return max(codes)


def lines(compared: Compared, day: date) -> list[str]:
    """A line a provider, and one a difference below it."""
    looked_at = f"{compared.provider} {day}: {compared.charges} payments"
    if compared.how == "by hand":
        return [f"{looked_at} to compare with its cabinet by hand: it lists nothing and cannot be asked"]
    looked_at += f", {compared.refunds} refunds" if compared.how == "listed" else " asked about one by one; its refunds cannot be listed"
    if not compared.differences:
        return [f"{looked_at}: the books agree"]
    told = [f"  {one.what}: {one.reference}: ours {one.ours}, theirs {one.theirs}" for one in compared.differences]
    return [f"{looked_at}: {len(told)} differ", *told]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
