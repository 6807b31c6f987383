"""Stripe: PaymentIntents, refunds and disputes through its official library; the account is told apart from others' by our metadata."""
