"""Search the built site in Chromium for readers' words: the page that answers comes early.

``python -m scripts.site.check_search build/site``. Without Chromium nothing is checked, and that is
said; ``WSCORE_REQUIRE_BROWSER=1`` (CI) makes it a failure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from bench.chromium import chromium
from scripts.site.check_widths import without_chromium

# A page that has to be among the first EARLY found, for each word.
WORDS = {
    "ping": "heartbeat.html",
    "nginx": "guides/nginx.html",
    "max_size": "server.html",
    "reconnect": "reconnection.html",
    "broadcast": "hub.html",
    "TLS": "guides/tls.html",
    "1009": "guides/debugging.html",
    "close code": "guides/debugging.html",
    "deflate": "compression.html",
    "origin": "handshakes.html",
    "authentication": "guides/authentication.html",
    "password": "client.html",
    "systemd": "guides/systemd.html",
    "Redis": "scaling.html",
    "FastAPI": "asgi.html",
    "MQTT": "subprotocols.html",
    "install": "start.html",
}
EARLY = 4

TYPE = """
const box = document.querySelector("input.md-search__input");
document.getElementById("__search").checked = true;
box.dispatchEvent(new Event("focus"));
box.value = arguments[0];
box.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true}));
box.dispatchEvent(new Event("input", {bubbles: true}));
"""
FOUND = """
const links = [...document.querySelectorAll(".md-search-result__item > a")];
return links.map(link => link.href);
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""


@contextmanager
def served(folder: str) -> Iterator[str]:
    """The address of the site. From files, browsers do not load the index of the search."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def pages_found(driver: Any, address: str, words: str) -> list[str]:
    """The first pages that the search lists, each once."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(f"{address}index.html")
    driver.execute_script(TYPE, words)
    links = WebDriverWait(driver, 30).until(lambda driver: driver.execute_script(FOUND))
    pages = dict.fromkeys(urlsplit(link).path.removeprefix("/") for link in links)
    return list(pages)[:EARLY]


def main(folder: str) -> int:
    status = without_chromium("the search is")
    if status is not None:
        return status
    failed = 0
    with served(folder) as address, chromium() as driver:
        for words, page in WORDS.items():
            found = pages_found(driver, address, words)
            if page not in found:
                failed += 1
                print(f"{words}: {page} is not among {', '.join(found)}")
    print(f"{len(WORDS)} searches, {failed} without their page")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
