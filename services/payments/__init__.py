"""payments owns payments and what providers say of them: commands and raw provider events in, decisions in domain.py, facts out by the outbox."""
