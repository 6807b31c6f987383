"""payments owns payments and what providers say of them: commands and raw events in, decisions in domain.py, facts out by the outbox."""
