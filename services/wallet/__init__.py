"""Wallet: accounts, the double-entry journal and its balances; knows of a payment only its reference."""
