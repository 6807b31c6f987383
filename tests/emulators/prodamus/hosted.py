"""The payment page that a payer sees: what is bought, the question for a phone if the link has none, and the buttons."""

from __future__ import annotations

from starlette.responses import Response

from tests.emulators.pages import Button, Field, Form, page
from tests.emulators.prodamus.book import Link

_DECLINED = "The bank refused the payment. You can try again."
_DEMO = "This is a demo payment: no money is taken."


def payment_page(link: Link, action: str) -> Response:
    """The page with its buttons; `action` takes the choice."""
    request = link.request
    texts = []
    declined = bool(link.orders) and link.orders[-1].status == "order_denied"
    if declined:
        texts.append(_DECLINED)
    if request.is_demo:
        texts.append(_DEMO)
    if request.is_demo_rejected:
        texts.append("It will be refused.")
    buttons = [Button("pay", f"Pay {request.sum} {request.currency.upper()}")]
    if not request.is_demo:
        buttons.append(Button("decline", "Pay with a card that the bank refuses"))
    buttons.append(Button("cancel", "Cancel and return to the shop"))
    facts = _facts(link) | {"Your phone": link.phone}
    title = "Declined – payment" if declined else "Payment"
    return page(f"{title} to {link.page.domain}", facts=facts, text=" ".join(texts), form=Form(action, buttons))


def contact_page(link: Link, action: str, *, wrong: str = "") -> Response:
    """Asks for the phone, without which nothing can be paid. `wrong`: what the payer said before that is no phone."""
    text = f"{wrong!r} is not a phone number: give 7 to 15 digits." if wrong else "A phone number is needed to pay."
    fields = [
        Field("customer_phone", "Phone, with the country's code", wrong, "tel"),
        Field("customer_email", "E-mail", link.email, "email"),
    ]
    form = Form(action, [Button("contact", "Continue"), Button("cancel", "Cancel and return to the shop")], fields)
    # The title is what a reader of the screen hears first: it says what is asked, or what went wrong.
    title = "Not a phone number" if wrong else "Your phone"
    return page(f"{title} – payment to {link.page.domain}", facts=_facts(link), text=text, form=form, status=422 if wrong else 200)


def paid_page(link: Link) -> Response:
    return page("Paid", text=link.request.paid_content or "Thank you. The shop is being told.")


def canceled_page() -> Response:
    return page("Canceled", text="Nothing was paid.")


def refused_page(reason: str, status: int) -> Response:
    return page("This link cannot be paid", text=reason, status=status)


def _facts(link: Link) -> dict[str, str]:
    request = link.request
    facts = {"Order": request.order_num} if request.order_num else {}
    for number, product in enumerate(request.products, 1):
        facts[f"Product {number}" if len(request.products) > 1 else "Product"] = f"{product.name} × {product.count}: {product.sum}"
    if request.discount:
        facts["Discount"] = f"−{request.discount}"
    return facts | {"To pay": f"{request.sum} {request.currency.upper()}"}
