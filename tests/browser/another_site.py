"""Another site: a plain web server on a port of its own, with pages of its own and a word about who is logged in there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Page = tuple[str, str, Mapping[str, str]]
"""Its kind, its text, and headers besides."""


@dataclass
class AnotherSite:
    """`pages` by path. A page may be made anew each time it is asked for."""

    port: int
    pages: dict[str, Page | Callable[[], Page]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def twin(self) -> str:
        """The same server, which browsers take for another site."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def another_site() -> Iterator[AnotherSite]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            site.asked.append(path)
            page = site.pages.get(path)
            kind, text, headers = ("text/plain", "", {}) if page is None else page() if callable(page) else page
            self.send_response(200 if page else 204)
            for name, value in {"Content-Type": f"{kind}; charset=utf-8", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = AnotherSite(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
