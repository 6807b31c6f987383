"""The HTTP face: who asks, is it well-formed, is the webhook authentic; decides nothing about money and keeps no state.

arrivals  edge.py (every request) -> api/ (one file a resource), webhooks.py (bare ASGI)
inside    auth.py, idempotency.py, receipts.py, bodies.py, rendering.py: pure
leaving   requests.py (commands and questions over the broker), ingress.py (verified provider events)
"""
