"""The vendor's signature: HMAC-SHA-256 with the page's key over the sorted JSON of all parameters but `signature`, in lower-case hex."""

from __future__ import annotations

import hmac
from hashlib import sha256

from tests.emulators.prodamus.php import Tree, signed_json

DEMO_SUFFIX = "demo"  # of the key of a page that the vendor has not made live yet


def sign(tree: Tree, key: str) -> str:
    unsigned: Tree = {name: value for name, value in tree.items() if name != "signature"}
    return hmac.digest(key.encode(), signed_json(unsigned).encode(), sha256).hex()


def is_signed(tree: Tree, told: str, key: str) -> bool:
    """Whether `told` is the tree's signature; upper-case hex counts too."""
    return hmac.compare_digest(sign(tree, key).encode(), told.lower().encode())
