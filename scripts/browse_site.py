"""Opens every page of the built documentation in Chromium, at the widths of a phone, a tablet and a laptop.

    python scripts/browse_site.py FOLDER

No page may log an error, ask another host, or be wider than the screen; the search must find what it should.
The exit code is 3 if there is no Chromium.
"""

import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Error, Page, sync_playwright
from typing_extensions import override

WIDTHS: Final = {"phone": 390, "tablet": 800, "laptop": 1280}
SEARCHES: Final = {"queue_timeout": "waiting", "SubmissionUncertainError": "reliability", "time_scale": "local-queue"}
NO_BROWSER: Final = 3

# The elements that are wider than the screen and do not scroll in a box of their own.
TOO_WIDE: Final = """() => {
  const scrolls = (e) => e && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll("article *")]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
      .slice(0, 3).map((e) => e.outerHTML.slice(0, 80)).concat(["the page scrolls sideways"]);
}"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def problems(page: Page, folder: Path, address: str) -> Iterator[str]:
    """Open the pages and run the searches; yield a line for each problem."""
    noted: list[str] = []
    page.on("console", lambda message: noted.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: noted.append(str(error)))
    local = (f"{address}/", "data:", "blob:")
    page.on("request", lambda request: noted.append(request.url) if not request.url.startswith(local) else None)
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        for screen, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 844})
            page.goto(f"{address}/{name}")
            yield from (f"{name}: too wide for a {screen}: {element}" for element in page.evaluate(TOO_WIDE))
    for term, target in SEARCHES.items():
        page.goto(f"{address}/search.html?q={term}")
        try:
            page.locator(f"ul.search li a[href^='{target}.html']").first.wait_for()
        except Error:
            yield f"the search for {term!r} does not find {target}.html"
    yield from (f"console or request: {line}" for line in noted)


def main(folder: Path) -> int:
    """Serve the folder and open its pages; return the exit code."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        if chromium is None and not Path(playwright.chromium.executable_path).exists():
            print("There is no Chromium, so the pages were not opened in a browser.")
            return NO_BROWSER
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser:
            address = f"http://127.0.0.1:{server.server_port}"
            found = list(problems(browser.new_page(), folder, address))
        server.shutdown()
    print(*found, f"{len(list(folder.rglob('*.html')))} pages opened in Chromium, {len(found)} problems", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
