"""A page as a browser's parser reads it: its links, and whatever somebody's text may have broken out of."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Final

_WITHOUT_END: Final = frozenset({"meta", "link", "input", "br", "img", "path", "rect"})
_NAMES: Final = frozenset({"for", "aria-labelledby", "aria-describedby", "aria-controls"})
_ADDRESSES: Final = frozenset({"href", "src", "action"})
_OWN: Final = re.compile(r"/(?![/\\])|#|\?|$")
_FOR_LATER: Final = re.compile(r"<template\b.*?</template>", re.DOTALL)


def told_now(html: str) -> str:
    """The page without its templates: those hold the words for what may come, and "paid" among them has not happened."""
    return _FOR_LATER.sub("", html)


class PageReader(HTMLParser):
    """`texts` is what is shown. `wrong`: what no page of ours may have."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.wrong: list[str] = []
        self._open: list[str] = []
        self._ids: Counter[str] = Counter()
        self._named: set[str] = set()
        self.feed(html)
        self.close()
        self.wrong += [f"two elements have the id {one}" for one, times in self._ids.items() if times > 1]
        self.wrong += [f"nothing has the id {one}" for one in self._named - self._ids.keys() - {"question"}]
        self.wrong += [f"<{one}> has no end" for one in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)
        if tag not in _WITHOUT_END:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()} ends nothing")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._open and self._open[-1] in ("script", "style") and data.strip():
            self.wrong.append(f"inline {self._open[-1]}: {data[:80]}")

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            text = value or ""
            if name.startswith("on") or name == "style" or (tag, name) == ("img", "src"):
                self.wrong.append(f"<{tag} {name}={text[:80]}>")
            if name in _ADDRESSES and not _OWN.match(text):
                self.wrong.append(f"<{tag} {name}={text[:80]}> leads out")
            if name in _NAMES:
                self._named |= set(text.split())
            if name == "id":
                self._ids[text] += 1
            if (tag, name) == ("a", "href"):
                self.links.append(text)
        if len({name for name, _ in attrs}) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
