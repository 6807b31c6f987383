"""Where Stripe's script comes from, and what a page's policy must let it do: Stripe's own, or that of an emulator on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from shared.origins import origin_of
from shared.settings import LOOPBACK

RELEASE: Final = "endive"
"""Of the API version that payments pins: Stripe.js talks to the API in the version of its own release, whatever the server does
(docs.stripe.com/sdks/stripejs-versioning; js.stripe.com/v3/ is the older one, of no release)."""

_LANGUAGES: Final = {"en": "en", "ru": "ru"}
"""Stripe's words for ours; it has no Serbian (docs.stripe.com/js/appendix/supported_locales), so the browser's language is taken."""

# docs.stripe.com/security/guide, "Content security policy", for Stripe.js and for Link, which the Payment Element offers. Without
# maps.googleapis.com: the Address Element's alone. Frames and scripts of changing names below js.stripe.com are Stripe's own isolation.
_SCRIPTS: Final = "https://js.stripe.com https://*.js.stripe.com"
_FRAMES: Final = f"{_SCRIPTS} https://hooks.stripe.com https://link.com https://*.link.com"
_CONNECTIONS: Final = "https://api.stripe.com https://link.com https://*.link.com"
_IMAGES: Final = "https://*.link.com"

_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self'; frame-src {frames}; connect-src 'self' {connections}; "
    "img-src {images}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class StripeJs:
    """`address` of the script, which may only be taken from there, and the Content-Security-Policy of the one page that has it."""

    address: str
    policy: str


def stripe_js(api_base: str) -> StripeJs:
    """`api_base`: STRIPE_API_BASE."""
    if urlsplit(api_base).hostname not in LOOPBACK:
        policy = _POLICY.format(scripts=_SCRIPTS, frames=_FRAMES, connections=_CONNECTIONS, images=_IMAGES)
        return StripeJs(f"https://js.stripe.com/{RELEASE}/stripe.js", policy)
    origin = origin_of(api_base)
    return StripeJs(f"{api_base}/v3/", _POLICY.format(scripts=origin, frames=origin, connections=origin, images=origin))


def language(locale: str) -> str:
    return _LANGUAGES.get(locale, "auto")
