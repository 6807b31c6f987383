"""What two services use today, and nothing else: contracts, delivery, PostgreSQL and telemetry plumbing, money and tokens.

The admission rule: a module may enter when a second service needs it now; it may not know a service, a provider or an HTTP path.
"""
