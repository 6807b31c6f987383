"""AllSecure: debits at its hosted page, refunds, and payouts to cards; every request signed, everything asked about by our own ids."""
