"""Where Stripe's script comes from, and what a page's policy must let it do: Stripe's own, or that of an emulator on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.gateway.hypertext.policy import Sources
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


@dataclass(frozen=True, slots=True)
class StripeJs:
    """`address` of the script, which may only be taken from there, and what the policy of the one page that has it must let in."""

    address: str
    sources: Sources


def stripe_js(api_base: str) -> StripeJs:
    """`api_base`: STRIPE_API_BASE."""
    if urlsplit(api_base).hostname not in LOOPBACK:
        return StripeJs(f"https://js.stripe.com/{RELEASE}/stripe.js", Sources(_SCRIPTS, _FRAMES, _CONNECTIONS, _IMAGES))
    origin = origin_of(api_base)
    return StripeJs(f"{api_base}/v3/", Sources(origin, origin, origin, origin))


def language(locale: str) -> str:
    return _LANGUAGES.get(locale, "auto")
