"""The simulation's model by itself: what each request and event does to a book, in numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.book import Payment, PayoutAccount, Withdrawal, platform_fee
from tests.simulation.model import How, Model

TOP_UP = Payment(amount=1_000, fee=0, payer="ana", credited="ana")
LESSON = Payment(amount=1_000, fee=33, payer="ana", credited="mira")
ORDER = Payment(amount=500, fee=0, payer=None, credited=None, order="o")


def paid(payment: Payment, book: Model | None = None, name: str = "p") -> Model:
    return (book or Model()).created(name, payment).completed(name, "success")[1]


def withdrawn(book: Model, amount: int, name: str = "w", account: PayoutAccount = "pays") -> Model:
    answer, book = book.withdrawn(name, Withdrawal("ana", amount, account))
    assert answer == "pending"
    return book


def refunded(book: Model, amount: int | None = None, *, how: How = "at once", force: bool = False, name: str = "r") -> tuple[str, Model]:
    return book.refund(name, "p", amount, how=how, force=force)


def told(book: Model, user: str = "ana") -> object:
    return book.tells("balance", user)


def test_a_top_up_is_credited_once_and_its_other_outcome_is_refused() -> None:
    book = paid(TOP_UP)
    assert (book.status("p"), told(book)) == ("completed", (1_000, 0))
    assert book.completed("p", "success") == ("completed", book)
    assert book.completed("p", "failure") == ("session_final", book)
    assert book.canceled("p") == ("already_paid", book)


def test_what_was_declined_or_canceled_is_paid_by_a_proof_and_a_second_charge_is_the_payers() -> None:
    for ended in (Model().created("p", TOP_UP).completed("p", "failure")[1], Model().created("p", TOP_UP).canceled("p")[1]):
        assert told(ended) == (0, 0)
        book = ended.provider_tells("p", "success")
        assert (book.status("p"), told(book)) == ("completed", (1_000, 0))
        assert told(book.provider_tells("p", "success")) == (2_000, 0)
        assert book.provider_tells("p", "failure") == book


def test_a_lesson_credits_its_mentor_less_the_fee_from_a_card_or_from_the_balance() -> None:
    assert platform_fee(1_000, 333) == 33
    book = paid(LESSON)
    assert (told(book, "mira"), book.sum("fees")) == ((967, 0), 33)
    from_balance = paid(TOP_UP, name="t").paid_from_balance("p", replace(LESSON, from_balance=True))
    assert (told(from_balance), told(from_balance, "mira"), from_balance.sum("fees")) == ((0, 0), (967, 0), 33)
    assert told(refunded(from_balance, 400)[1]) == (400, 0)


def test_more_or_less_than_was_asked_for_has_its_place_in_suspense() -> None:
    little = Model().created("p", TOP_UP).provider_tells("p", "success", 999)
    assert (little.status("p"), told(little), little.sum("suspense")) == ("pending", (0, 0), 999)
    assert little.tells("suspense", "p") == [("less_than_asked", 999, "open")]
    much = Model().created("p", TOP_UP).provider_tells("p", "success", 1_500)
    assert (much.status("p"), told(much), much.sum("suspense")) == ("completed", (1_000, 0), 500)
    second = much.provider_tells("p", "success", 7)
    assert (told(second), second.sum("suspense"), second.items[1].status) == ((1_007, 0), 500, "assigned")

    assert much.item_decided(0, "refund", "")[1].sum("clearing") == -1_000
    answer, given = much.item_decided(0, "assign_user", "mira")
    assert (answer, told(given, "mira"), given.sum("suspense")) == ("assigned", (500, 0), 0)
    assert given.item_decided(0, "write_off", "") == ("suspense_item_decided", given)

    waiting = much.created("q", ORDER)
    answer, paid_for = waiting.item_decided(0, "assign_payment", "q")
    assert (answer, paid_for.order_status("o"), paid_for.sum("revenue"), paid_for.sum("suspense")) == ("assigned", "fulfilled", 500, 0)
    assert waiting.item_decided(0, "assign_payment", "p")[0] == "already_paid"
    assert much.created("q", TOP_UP).item_decided(0, "assign_payment", "q")[0] == "amount_mismatch"


def test_the_second_payment_of_an_order_is_nobodys_yet() -> None:
    book = paid(ORDER).created("q", ORDER).provider_tells("q", "success")
    assert (book.order_status("o"), book.status("q"), book.sum("revenue"), book.sum("suspense")) == ("fulfilled", "pending", 500, 500)
    older = Model().created("p", ORDER).ended_older("o").created("q", ORDER)
    assert (older.status("p"), older.status("q"), older.order_status("o")) == ("canceled", "pending", "pending")


def test_the_fee_goes_back_in_proportion_all_of_it_with_the_last() -> None:
    book, fees = paid(LESSON), []
    for number in range(4):
        answer, book = refunded(book, 250, name=f"r{number}")
        assert answer == "succeeded"
        fees.append(book.sum("fees"))
    assert fees == [25, 17, 9, 0]
    assert (book.status("p"), told(book, "mira")) == ("refunded", (0, 0))
    assert refunded(book)[0] == "already_refunded"
    assert refunded(paid(LESSON), 1_001)[0] == "refund_exceeds_payment"


def test_a_refund_that_is_not_covered_is_refused_unless_forced_and_then_withdrawals_give_way_before_the_platform_pays() -> None:
    book = paid(TOP_UP).transferred("ana", "mira", 300)[1]
    book = withdrawn(withdrawn(book, 400, "older"), 200, "newer")
    assert refunded(book) == ("insufficient_funds", book)

    _, little = refunded(book, 250, force=True)
    assert [one.status for one in little.withdrawals.values()] == ["pending", "canceled"]
    assert (told(little), little.sum("loss")) == ((50, 400), 0)

    answer, after = refunded(book, force=True)
    assert answer == "succeeded"
    assert [one.status for one in after.withdrawals.values()] == ["canceled", "canceled"]
    assert (told(after), after.sum("loss")) == ((0, 0), -300)


def test_what_the_provider_does_with_a_refund() -> None:
    book = paid(LESSON)
    answer, declined = refunded(book, how="declined")
    assert (answer, told(declined, "mira"), declined.sum("fees")) == ("failed", (967, 0), 33)

    answer, pending = refunded(book, 500, how="pending")
    assert (answer, told(pending, "mira"), pending.status("p")) == ("pending", (483, 484), "completed")
    assert [one.status("p") for one in pending.become()] == ["completed", "partially_refunded"]

    answer, fails = refunded(book, 500, how="fails later")
    assert answer == "succeeded"
    assert [(one.refund_status("r"), told(one, "mira")) for one in fails.become()] == [
        ("succeeded", (483, 0)), ("succeeded", (967, 0)), ("failed", (967, 0)),
    ]  # fmt: skip
    assert refunded(book, 500, how="silent")[0] == "accepted"


def test_a_withdrawal_is_held_then_goes_the_way_of_its_account() -> None:
    ways: dict[PayoutAccount, list[tuple[str, object]]] = {
        "pays": [("approved", (400, 600)), ("sending", (400, 600)), ("paid", (400, 0))],
        "fails": [("approved", (400, 600)), ("sending", (400, 600)), ("failed", (1_000, 0))],
        "returns": [("approved", (400, 600)), ("sending", (400, 600)), ("paid", (400, 0)), ("returned", (1_000, 0))],
    }
    for account, way in ways.items():
        answer, book = withdrawn(paid(TOP_UP), 600, account=account).decided("w", "approve")
        assert answer == "decided"
        assert [(one.withdrawals["w"].status, told(one)) for one in book.become()] == way
    waiting = withdrawn(paid(TOP_UP), 600)
    assert told(waiting.decided("w", "cancel")[1]) == told(waiting.decided("w", "reject")[1]) == (1_000, 0)
    assert waiting.decided("w", "cancel")[1].decided("w", "approve")[0] == "too late"
    assert waiting.withdrawn("more", Withdrawal("ana", 401, "pays")) == ("insufficient_funds", waiting)


def test_a_dispute_takes_what_is_gone_and_gives_it_back_when_it_is_won() -> None:
    book = refunded(paid(LESSON), 250)[1].transferred("mira", "ana", 700)[1]
    assert told(book, "mira") == (25, 0)
    _, opened = book.disputed("p", "opened")
    assert (opened.status("p"), told(opened, "mira"), opened.sum("fees"), opened.sum("loss")) == ("disputed", (-700, 0), 0, -250)
    assert refunded(opened)[0] == "payment_disputed"
    lost = opened.disputed("p", "lost")[1]
    closing, won = lost.disputed("p", "won")[1].become()
    assert (closing.status("p"), told(closing, "mira")) == ("disputed", (-700, 0))
    assert (lost.status("p"), lost.accounts) == ("disputed", opened.accounts)
    assert (won.status("p"), told(won, "mira"), won.sum("loss")) == ("partially_refunded", (25, 0), 0)
    assert won.disputed("p", "lost")[1] == won
    assert Model().created("p", TOP_UP).disputed("p", "opened")[0] == "payment_not_disputable"


@given(
    parts=st.lists(st.tuples(st.integers(1, 1_000), st.sampled_from(("at once", "declined", "pending", "fails later")), st.booleans())),
    event=st.sampled_from(("opened", "won", "lost")),
)
def test_nothing_is_made_and_nothing_is_lost(parts: list[tuple[int, How, bool]], event: str) -> None:
    book = paid(LESSON)
    for number, (amount, how, force) in enumerate(parts[:5]):
        _, book = refunded(book, amount, how=how, force=force, name=str(number))
    if event != "opened":
        _, book = book.disputed("p", "won" if event == "won" else "lost")
    for later in book.become():
        assert sum(later.accounts.values()) == 0
        assert 0 <= later.refunded("p") <= LESSON.amount
        assert later.available("mira") >= 0 or event == "lost"
