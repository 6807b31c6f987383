"""Checks against the providers' own test sites, for a person who has test keys; nothing of `make test` needs them."""
