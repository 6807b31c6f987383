"""Plain pages with one form and buttons, for a person at an emulator's hosted page; no script, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem } dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 1.5rem 0 } label { display: block; flex-basis: 100% }
button, input { font: inherit; padding: .5rem 1rem; min-height: 2.75rem }
.note { color: #555; border-top: 1px solid #ccc; padding-top: 1rem }
"""
# No form-action: a browser would hold the redirect that follows a button to it as well.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_NOTE: Final = "This is a stand-in for tests on this machine. No money moves."


@dataclass(frozen=True, slots=True)
class Field:
    """A text field that the payer fills in. A `kind` that browsers know of a person (tel, email) is offered for filling in."""

    name: str
    label: str
    value: str = ""
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Button:
    """Sends the form with `name`=`value`."""

    value: str
    label: str
    name: str = "choice"


@dataclass(frozen=True, slots=True)
class Form:
    """POSTs to `action`. `hidden`: fields that are sent along."""

    action: str
    buttons: Sequence[Button]
    fields: Sequence[Field] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)


def page(
    title: str, *, facts: Mapping[str, str] | None = None, text: str = "", form: Form | None = None, status: int = 200
) -> HTMLResponse:
    """A page: a heading, a sentence, a list of facts, one form."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>",
        f"<style>{_STYLE}</style><main><h1>{escape(title)}</h1>",
        f"<p role=status>{escape(text)}</p>" if text else "",
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()) + "</dl>" if facts else "",
        _form(form) if form is not None else "",
        f"<p class=note>{escape(_NOTE)}</p></main></html>",
    ]
    headers = {"content-security-policy": _POLICY, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return HTMLResponse("".join(parts), status_code=status, headers=headers)


def _autocomplete(one: Field) -> str:
    return f' autocomplete="{one.kind}"' if one.kind in ("tel", "email") else ""


def _form(form: Form) -> str:
    hidden = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in form.hidden.items())
    fields = "".join(
        f"<label>{escape(one.label)}<br>"
        f'<input type="{escape(one.kind)}" name="{escape(one.name)}" value="{escape(one.value)}"{_autocomplete(one)}></label>'
        for one in form.fields
    )
    buttons = "".join(
        f'<button type="submit" name="{escape(one.name)}" value="{escape(one.value)}">{escape(one.label)}</button>' for one in form.buttons
    )
    return f'<form method="post" action="{escape(form.action)}">{hidden}{fields}{buttons}</form>'
