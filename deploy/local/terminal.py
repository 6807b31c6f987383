"""One terminal for all: every line with the name of who said it."""

import sys
from typing import TextIO

_WIDTH = 10
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)


class Terminal:
    """Prints lines of several processes; goes quiet, instead of failing, when nobody listens any more."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colours: dict[str, int] | None = {} if self._stream.isatty() else None
        self._open = True

    def echo(self, name: str, line: str) -> None:
        """A line of a child process."""
        if line.strip():
            self._print(f"{self._name(name)} | {line}")

    def say(self, line: str) -> None:
        """A line of the runner's own."""
        self.echo("purser", line)

    def plain(self, text: str) -> None:
        """Text without a name before it."""
        self._print(text)

    def _name(self, name: str) -> str:
        padded = name.ljust(_WIDTH)
        if self._colours is None:
            return padded
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{padded}\x1b[0m"

    def _print(self, text: str) -> None:
        if self._open:
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # the terminal is closed, or the pipe's reader is gone
                self._open = False
