"""Bringing Purser up: preparing servers, running it on one machine, checking that the books are right."""
