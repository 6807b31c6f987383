"""The one exception of the local runner: its text is the single line that the user reads."""


class LocalError(Exception):
    """Something on this machine stops the start; the message says what, and what to set or install."""
