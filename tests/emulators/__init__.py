"""Stand-ins that behave as the payment providers' own services do: processes with a book, pages and webhooks of their own.

Promised: what a provider's sheet says it does, it does here, and what a sheet does not know is refused instead of guessed.
Nothing of services/ or shared/ is imported, so that an error
that both sides would make is seen; all traffic stays on this machine; nothing is left running after a stop.
"""
