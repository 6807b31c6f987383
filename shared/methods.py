"""The providers by name: what PROVIDERS, and the `method` of a new payment, may say."""

from __future__ import annotations

from typing import Final

PROVIDERS: Final = ("stripe", "allsecure", "prodamus")
"""The real ones, in the order in which those that are configured are on for new payments."""

MOCK: Final = "mock"

METHODS: Final = (*PROVIDERS, MOCK)
