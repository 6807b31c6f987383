"""Stripe as a merchant's code meets it: the v1 API, Stripe.js, a 3-D Secure page, and snapshot events of version 2026-10-28.endive."""

from tests.emulators.stripe.emulator import StripeEmulator

__all__ = ["StripeEmulator"]
