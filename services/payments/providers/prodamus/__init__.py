"""Prodamus: a signed link to the merchant's page, and notifications as the only word on what became of it."""
