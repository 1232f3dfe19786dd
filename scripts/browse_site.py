"""Looks at the built documents in a real browser, as a reader with a phone does.

    python scripts/browse_site.py FOLDER [--pictures FOLDER]

On every page: no error in the console, no request to another host, nothing wider than the screen, be it of 390, 1280 or
1366 pixels. The search finds what is there. Where Chromium and its driver are not installed, it says so and ends with
exit code 3.
"""

import argparse
import base64
import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define, frozen
from typing_extensions import override

NO_BROWSER: Final = 3
"""The exit code that says: not looked at, for want of a browser."""

PHONE: Final = (390, 844)
DESK: Final = (1280, 900)
LAPTOP: Final = (1366, 768)

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

_SEARCHES: Final = {"queue_timeout": "waiting", "SubmissionUncertainError": "reliability", "time_scale": "local-queue"}
"""What a reader searches for, and the page that must be among the results."""

_SECONDS: Final = 20.0

# What sticks out of the screen, but for what scrolls in a frame of its own.
_TOO_WIDE: Final = """
const scrolls = (element) => element && (/auto|scroll|hidden/.test(getComputedStyle(element).overflowX)
  || scrolls(element.parentElement));
return document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("article *")].filter((element) =>
    element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element))
    .slice(0, 3).map((element) => element.outerHTML.slice(0, 80)).concat(["the page scrolls sideways"]);
"""


class BrowserError(Exception):
    """The browser did not do what it was asked to."""


@define
class Browser:
    """A session of the WebDriver protocol."""

    driver: str
    session: str = ""

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One command; gives back its value."""
        request = urllib.request.Request(  # noqa: S310 -- the driver on this machine
            f"{self.driver}{path}",
            method=method,
            data=None if method != "POST" else json.dumps({} if body is None else body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- as above
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise BrowserError(f"{method} {path}: {error.read(400).decode()}") from None

    def ask(self, path: str, body: object = None, *, method: str = "POST") -> Any:
        """One command of the session."""
        return self.call(method, f"/session/{self.session}{path}", body)

    def run(self, script: str) -> Any:
        """What a script in the page gives back."""
        return self.ask("/execute/sync", {"script": script, "args": []})

    def screen(self, size: tuple[int, int]) -> None:
        """Be a screen of this size."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.ask("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def log(self, kind: str) -> list[dict[str, Any]]:
        """What the browser has noted since the last look."""
        return list(self.ask("/se/log", {"type": kind}))

    def requests(self) -> Iterator[str]:
        """The addresses that were asked for since the last look."""
        for entry in self.log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]

    def picture(self, path: Path) -> None:
        """Save what is on the screen."""
        path.write_bytes(base64.b64decode(self.ask("/screenshot", method="GET")))


@frozen
class Site:
    """The site as it is served."""

    folder: Path
    address: str

    def pages(self) -> list[str]:
        """Its pages, by their path."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.html"))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Generator[Site]:
    """The site, on a free port of this machine."""
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Site(folder, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browser(chromium: str, chromedriver: str) -> Generator[Browser]:
    """A browser without a window, which ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [chromedriver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            found = next(filter(None, (re.search(r"on port (\d+)\.", line) for line in process.stdout or ())), None)
            if found is None:
                raise BrowserError("the driver did not start")
            opened = Browser(f"http://127.0.0.1:{found[1]}")
            capabilities = {
                "goog:chromeOptions": {"binary": chromium, "args": [*_FLAGS, f"--user-data-dir={profile}"]},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            answer = opened.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            opened.session = answer["sessionId"]
            try:
                yield opened
            finally:
                opened.ask("", method="DELETE")
        finally:
            process.terminate()
            process.wait()


def look(site: Site, window: Browser, pictures: Path | None) -> Iterator[str]:
    """What is wrong with the site, a line each."""
    for page in site.pages():
        for name, size in (("phone", PHONE), ("laptop", LAPTOP), ("desk", DESK)):
            window.screen(size)
            window.ask("/url", {"url": f"{site.address}/{page}"})
            yield from (f"{page}: too wide for a {name}: {element}" for element in window.run(_TOO_WIDE))
            if pictures is not None:
                window.picture(pictures / f"{page.replace('/', '-').removesuffix('.html')}-{name}.png")
            yield from _noted(page, site, window)
    for term, page in _SEARCHES.items():
        yield from _search(term, page, site, window)


def _noted(page: str, site: Site, window: Browser) -> Iterator[str]:
    errors = (entry for entry in window.log("browser") if entry["level"] == "SEVERE")
    yield from (f"{page}: the console says: {entry['message']}" for entry in errors)
    own = urlsplit(site.address).netloc
    for url in window.requests():
        if urlsplit(url).scheme in {"http", "https", "ws", "wss"} and urlsplit(url).netloc != own:
            yield f"{page}: asks another host for {url}"


def _search(term: str, page: str, site: Site, window: Browser) -> Iterator[str]:
    """Type a word into the field on the first page, and see what is found."""
    window.screen(DESK)
    window.ask("/url", {"url": f"{site.address}/index.html"})
    field = window.ask("/element", {"using": "css selector", "value": "input.sidebar-search"})
    (handle,) = field.values()
    window.ask(f"/element/{handle}/value", {"text": f"{term}\ue007"})  # and Enter
    end = time.monotonic() + _SECONDS
    found: list[str] = []
    while page not in found and time.monotonic() < end:
        script = 'return [...document.querySelectorAll("ul.search li a")].map((a) => new URL(a.href).pathname);'
        found = [path.strip("/").removesuffix(".html") for path in window.run(script)]
        time.sleep(0.1)  # noqa: TID251 -- a program, not the library
    if page not in found:
        yield f"a search for {term!r} does not find {page}, but: {found}"
    yield from _noted(f"search for {term!r}", site, window)


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at a site, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the site was built")
    parser.add_argument("--pictures", type=Path, help="where to put a picture of each page")
    options = parser.parse_args(arguments)
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        print("Chromium and its driver are not installed, so no browser has looked at the pages.")
        return NO_BROWSER
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    with served(options.folder.resolve()) as site, browser(chromium, chromedriver) as window:
        problems = list(look(site, window, options.pictures))
        number = len(site.pages())
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{number} pages looked at in Chromium, {len(_SEARCHES)} searches: {len(problems) or 'no'} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
