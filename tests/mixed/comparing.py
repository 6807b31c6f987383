"""Invariant H: each provider's own book and ours say the same, charge by charge; our accounts and every balance follow from theirs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.mixed.books import Book, OurBook, Row
from tests.mixed.plan import PROVIDERS
from tests.mixed.world import FEE_BPS

ASKABLE: Final = ("stripe", "allsecure")

_Bag = Counter[tuple[Any, ...]]


def differences(book: Book, ours: OurBook) -> list[str]:
    """All of them, each in one line; none: the books agree."""
    return [
        *charges(book, ours, PROVIDERS),
        *_refunds(book, ours),
        *_disputes(book, ours),
        *_payouts(book, ours),
        *_clearing(book, ours),
        *_balances(book, ours),
        *_platform(book, ours),
    ]


def charges(book: Book, ours: OurBook, providers: Iterable[str]) -> list[str]:
    """What was paid there is completed here with the same sum, or is in suspense; and nothing is completed that was not paid there."""
    known = ours.by_charge()
    kept = defaultdict(list)
    for item in ours.items:
        if item["reason"] != "refund_failed":
            kept[item["provider"], item["charge_reference"]].append(item)
    found = []
    theirs = [charge for charge in book.charges if charge.provider in providers]
    for charge in theirs:
        at = f"{charge.provider} charge {charge.reference} of {charge.money}"
        payment, items = known.get((charge.provider, charge.reference)), kept[charge.provider, charge.reference]
        if payment is None and not items:
            session = next((row for row in ours.payments.values() if row["session"] == charge.session), None)
            found.append(f"{at}: unknown here; its payment is {_shown(session)}")
        elif payment is not None and (payment["session"] != charge.session and payment["order_id"] is None):
            found.append(f"{at}: completes another session's payment {payment['payment_id']}")
        elif payment is not None and (items or _money(payment) != (charge.money.amount_minor, charge.money.currency)):
            found.append(f"{at}: completes {_shown(payment)}, and {len(items)} suspense items are of it")
        elif payment is None and [_money(item) for item in items] != [(charge.money.amount_minor, charge.money.currency)]:
            found.append(f"{at}: in suspense as {[_money(item) for item in items]}")
    there = {(charge.provider, charge.reference) for charge in theirs}
    found += [
        f"payment {_shown(row)} is completed by no charge there" for key, row in known.items() if key not in there and key[0] in providers
    ]
    found += [
        f"suspense item of {key} is no charge there" for key, items in kept.items() if items and key not in there and key[0] in providers
    ]
    return found


def _refunds(book: Book, ours: OurBook) -> list[str]:
    """One by one: what went back there is back here, and the other way round."""
    charge_of = {row["payment_id"]: row["charge_reference"] for row in ours.payments.values()}
    charge_there = {(one.provider, one.reference): one.charge for one in book.refunds}
    disputes = {(one.provider, one.reference) for one in book.disputes}

    def charge(row: Row) -> str | None:
        # What the platform alone bears is of a charge that is, or was, in suspense: the row does not name it.
        return charge_of[row["payment_id"]] if row["amount_minor"] else charge_there.get((row["provider"], row["provider_reference"]))

    back_here: _Bag = Counter(
        (row["provider"], row["provider_reference"], charge(row), row["amount_minor"] + row["excess_minor"])
        for row in ours.refunds
        if row["state"] == "succeeded"
    )
    back_here += Counter(
        (item["provider"], item["refund_reference"], item["charge_reference"], item["amount_minor"])
        for item in ours.items
        if item["status"] == "refunded" and (item["provider"], item["refund_reference"]) not in disputes
    )
    # One that came back after it had sent suspended money away is suspended anew, under its own reference.
    back_here -= Counter(
        (item["provider"], item["charge_reference"], _sent_from(ours, item), item["amount_minor"])
        for item in ours.items
        if item["reason"] == "refund_failed" and (item["provider"], item["charge_reference"]) not in disputes
    )
    back_there: _Bag = Counter(
        (one.provider, one.reference, one.charge, one.money.amount_minor) for one in book.refunds if one.status == "succeeded"
    )
    found = [f"refund {key} succeeded there and not here: {_refund_here(ours, key[1])}" for key in (back_there - back_here)]
    found += [f"refund {key} succeeded here and not there: {_refund_there(book, key[1])}" for key in (back_here - back_there)]
    found += [f"refund {one} is pending there" for one in book.refunds if one.status == "pending"]
    return found


def _disputes(book: Book, ours: OurBook) -> list[str]:
    charge_of = {row["payment_id"]: row["charge_reference"] for row in ours.payments.values()}
    charge_there = {(one.provider, one.reference): one.charge for one in book.disputes}

    def charge(row: Row) -> str | None:
        borne = row["owner_minor"] + row["fee_minor"]
        return charge_of[row["payment_id"]] if borne else charge_there.get((row["provider"], row["dispute_reference"]))

    here: _Bag = Counter(
        (row["provider"], row["dispute_reference"], charge(row), row["amount_minor"], row["state"] != "won") for row in ours.disputes
    )
    # A dispute over suspended money takes it out of suspense, and brings it there again.
    brought_back = {(item["provider"], item["charge_reference"]) for item in ours.items if item["reason"] == "refund_failed"}
    here += Counter(
        (*key, item["charge_reference"], item["amount_minor"], key not in brought_back)
        for item in ours.items
        if (key := (item["provider"], item["refund_reference"])) in charge_there
    )
    there: _Bag = Counter((one.provider, one.reference, one.charge, one.money.amount_minor, one.holds) for one in book.disputes)
    found = [f"dispute {key} there (the last: it holds the money), not so here" for key in (there - here)]
    return found + [f"dispute {key} here (the last: the money is taken), not so there" for key in (here - there)]


def _payouts(book: Book, ours: OurBook) -> list[str]:
    here = Counter((str(row["withdrawal_id"]), row["amount_minor"], row["currency"]) for row in ours.withdrawals if row["status"] == "paid")
    there = Counter((one.withdrawal, one.money.amount_minor, one.money.currency) for one in book.payouts if one.status == "succeeded")
    found = [f"payout {key} was made there; here {_withdrawal(ours, key[0])}" for key in (there - here)]
    found += [f"withdrawal {key} is paid here; there {[one for one in book.payouts if one.withdrawal == key[0]]}" for key in (here - there)]
    return found + [f"payout {one} is pending there" for one in book.payouts if one.status == "pending"]


def _clearing(book: Book, ours: OurBook) -> list[str]:
    """What lies at a provider is what its clearing account owes: to the minor unit, whatever happened in between."""
    lies_there: Counter[tuple[str, str]] = Counter()
    for charge in book.charges:
        lies_there[charge.provider, charge.money.currency] += charge.money.amount_minor
    for refund in book.refunds:
        if refund.status == "succeeded":
            lies_there[refund.provider, refund.money.currency] -= refund.money.amount_minor
    for dispute in book.disputes:
        if dispute.holds:
            lies_there[dispute.provider, dispute.money.currency] -= dispute.money.amount_minor
    for payout in book.payouts:
        if payout.status == "succeeded":
            lies_there["allsecure", payout.money.currency] -= payout.money.amount_minor
    found = []
    for provider, currency in sorted(lies_there.keys() | ours.clearing.keys()):
        here, there = -ours.clearing.get((provider, currency), 0), lies_there[provider, currency]
        if here != there:
            found.append(f"at {provider} lie {there} {currency}, by our book {here}")
        if provider == "stripe" and (has := book.stripe_balance.get(currency, 0)) != there:
            found.append(f"Stripe has {has} {currency}, by its own list {there}")
    return found


def _balances(book: Book, ours: OurBook) -> list[str]:
    """What each user has follows from what their payments, as the providers have them, became: who bore what of a loss is ours to decide
    (forced refunds, disputes), so that is taken from our rows; that they add up to the providers' sums is looked at elsewhere."""
    due: Counter[tuple[str, str]] = Counter()
    known = ours.by_charge()
    for charge in book.charges:
        payment = known.get((charge.provider, charge.reference))
        if payment is not None and (owner := _owner(payment)) is not None:
            due[owner, charge.money.currency] += charge.money.amount_minor - _fee(payment)
    for item in ours.items:
        if item["decision"] == "assign_user" and item["status"] == "assigned":
            due[item["assigned_user_id"], item["currency"]] += item["amount_minor"]
    succeeded = {(one.provider, one.reference) for one in book.refunds if one.status == "succeeded"}
    for row in ours.refunds:
        if row["owner_id"] is not None and (row["provider"], row["provider_reference"]) in succeeded:
            due[row["owner_id"], row["currency"]] -= row["held_minor"] or 0
    holding = {(one.provider, one.reference) for one in book.disputes if one.holds}
    for row in ours.disputes:
        if row["owner_id"] is not None and (row["provider"], row["dispute_reference"]) in holding:
            due[row["owner_id"], row["currency"]] -= row["owner_minor"]
    users = {str(row["withdrawal_id"]): row["user_id"] for row in ours.withdrawals}
    for payout in book.payouts:
        if payout.status == "succeeded":
            due[users.get(payout.withdrawal, "nobody"), payout.money.currency] -= payout.money.amount_minor
    keys = sorted(due.keys() | ours.balances.keys())
    return [
        f"{key[0]} is due {due[key]} {key[1]} and has {ours.balances.get(key, 0)}" for key in keys if due[key] != ours.balances.get(key, 0)
    ]


def _platform(book: Book, ours: OurBook) -> list[str]:
    """Only forced refunds and those made elsewhere may cost the platform; its fees and its revenue are what payments left of them."""
    found = [
        f"refund {row['refund_id']} was not forced and cost the platform {row['loss_minor']}"
        for row in ours.refunds
        if not row["forced"] and row["loss_minor"]
    ]
    fees: Counter[str] = Counter()
    revenue: Counter[str] = Counter()
    for payment in ours.by_charge().values():
        fees[payment["currency"]] += payment["fee_minor"]
        revenue[payment["currency"]] += payment["amount_minor"] if payment["kind"] == "order" else 0
        if payment["fee_minor"] != _fee(payment):
            found.append(f"payment {_shown(payment)} has a fee of {payment['fee_minor']}, not {_fee(payment)}")
    for row in ours.refunds:
        if row["state"] == "succeeded":
            fees[row["currency"]] -= row["fee_minor"]
            revenue[row["currency"]] -= row["wanted_minor"] if row["owner_id"] is None else 0
    for row in ours.disputes:
        if row["state"] != "won":
            fees[row["currency"]] -= row["fee_minor"]
            revenue[row["currency"]] -= row["owner_minor"] if row["owner_id"] is None else 0
    for item in ours.items:
        revenue[item["currency"]] += item["amount_minor"] if item["status"] == "written_off" else 0
    return [*found, *_other_sums("fees are", fees, ours.fees), *_other_sums("revenue is", revenue, ours.revenue)]


def _other_sums(what: str, due: Mapping[str, int], has: Mapping[str, int]) -> list[str]:
    return [
        f"{what} {has.get(currency, 0)} {currency}, by the payments {due.get(currency, 0)}"
        for currency in sorted(due.keys() | has.keys())
        if due.get(currency, 0) != has.get(currency, 0)
    ]


def _owner(payment: Row) -> str | None:
    owner: str | None = {"deposit": payment["user_id"], "payment": payment["mentor_id"], "order": None}[payment["kind"]]
    return owner


def _fee(payment: Row) -> int:
    return int(payment["amount_minor"]) * FEE_BPS // 10_000 if payment["kind"] == "payment" else 0


def _money(row: Row) -> tuple[int, str]:
    return row["amount_minor"], row["currency"]


def _sent_from(ours: OurBook, item: Row) -> str | None:
    """The charge that the failed refund of suspended money had sent back."""
    return next((one["charge_reference"] for one in ours.items if one["refund_reference"] == item["charge_reference"]), None)


def _shown(row: Row | None) -> str:
    if row is None:
        return "none of ours"
    return f"{row['payment_id']} ({row['kind']}, {row['provider']}, {row['amount_minor']} {row['currency']}, {row['status']})"


def _refund_here(ours: OurBook, reference: str) -> str:
    return str([(str(row["refund_id"]), row["state"], row["origin"]) for row in ours.refunds if row["provider_reference"] == reference])


def _refund_there(book: Book, reference: str) -> str:
    return str([one.status for one in book.refunds if one.reference == reference])


def _withdrawal(ours: OurBook, withdrawal: str) -> str:
    return str([(row["status"], row["step"]) for row in ours.withdrawals if str(row["withdrawal_id"]) == withdrawal])
