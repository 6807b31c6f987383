"""Prodamus' payment pages on this machine: links, hosted page, notifications, and as at the vendor's no call for a status or a refund."""

from tests.emulators.prodamus.book import Page
from tests.emulators.prodamus.emulator import DEFAULT_PAGE, OTHER_PAGE, ProdamusEmulator

__all__ = ["DEFAULT_PAGE", "OTHER_PAGE", "Page", "ProdamusEmulator"]
