"""Checks the built documents: every link within them leads somewhere, and no page asks another host for anything.

    python scripts/check_site.py FOLDER

Nothing is fetched: links to other hosts are counted and left alone.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import define, field, frozen
from typing_extensions import override

_LOADING: Final = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
"""Attributes whose address a browser fetches by itself; `link` and style sheets have rules of their own."""

_NOT_FETCHED: Final = frozenset(
    {"author", "canonical", "next", "prev", "index", "search", "help", "license", "contents"}
)
"""Relations of a `link` that are there to be followed."""

_IN_STYLE: Final = re.compile(r"url\(\s*['\"]?(?P<url>[^'\")]+)|@import\s+['\"](?P<sheet>[^'\"]+)")


@frozen
class Link:
    """An address in a page."""

    line: int
    url: str
    fetched: bool
    """Whether a browser fetches it when it shows the page."""


@define
class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    links: list[Link] = field(factory=list[Link])
    anchors: set[str] = field(factory=set[str])

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    @classmethod
    def read(cls, path: Path) -> "Page":
        """The page in a file."""
        page = cls()
        page.feed(path.read_text(encoding="utf-8"))
        return page

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "link":
            fetched = not set(given.get("rel", "").split()) & _NOT_FETCHED
            self._add(given.get("href"), fetched=fetched)
        elif tag in _LOADING:
            self._add(given.get(_LOADING[tag]), fetched=True)
        else:
            self._add(given.get("href"), fetched=False)
        for match in _IN_STYLE.finditer(given.get("style", "")):
            self._add(match["url"] or match["sheet"], fetched=True)

    def _add(self, url: str | None, *, fetched: bool) -> None:
        if url is not None:
            self.links.append(Link(self.getpos()[0], url, fetched))


@define
class Report:
    """What a check found.

    Attributes:
        pages: How many pages were read.
        inside: How many links lead to a place in the site.
        outside: How many lead to another host, and were left alone.
        problems: What is wrong, a line each.
    """

    pages: int = 0
    inside: int = 0
    outside: int = 0
    problems: list[str] = field(factory=list[str])


def check(folder: Path) -> Report:
    """Checks every page and style sheet below a folder."""
    site = _Site(folder, {path: Page.read(path) for path in sorted(folder.rglob("*.html"))})
    report = Report(pages=len(site.pages))
    if not site.pages:
        report.problems.append(f"{folder}: there are no pages")
    for path, page in site.pages.items():
        for link in page.links:
            if _is_outside(link.url):
                report.outside += 1
                problem = f"asks another host for {link.url}" if link.fetched else None
            else:
                report.inside += 1
                problem = site.problem(path, link.url)
            if problem is not None:
                report.problems.append(f"{path.relative_to(folder).as_posix()}:{link.line}: {problem}")
    for sheet in sorted(folder.rglob("*.css")):
        name = sheet.relative_to(folder).as_posix()
        for url in _in_style(sheet.read_text(encoding="utf-8")):
            problem = f"asks another host for {url}" if _is_outside(url) else site.problem(sheet, url)
            if problem is not None:
                report.problems.append(f"{name}: {problem}")
    return report


@frozen
class _Site:
    folder: Path
    pages: dict[Path, Page]

    def problem(self, path: Path, url: str) -> str | None:
        """Why an address in a file of the site leads nowhere; None where it does lead somewhere."""
        if url.startswith(("data:", "mailto:")):
            return None
        parts = urlsplit(url)
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            return f"{url} is not there"
        if not target.is_relative_to(self.folder.resolve()):
            return f"{url} leads out of the site"
        anchor = unquote(parts.fragment)
        if anchor and target in self.pages and anchor not in self.pages[target].anchors:
            return f"{url}: there is no #{anchor} on that page"
        return None


def _in_style(text: str) -> Iterator[str]:
    for match in _IN_STYLE.finditer(text):
        yield match["url"] or match["sheet"]


def _is_outside(url: str) -> bool:
    return url.startswith("//") or urlsplit(url).scheme in {"http", "https"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks a site, and says what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the site was built")
    report = check(parser.parse_args(arguments).folder.resolve())
    for problem in report.problems:
        print(problem, file=sys.stderr)
    verdict = f"{len(report.problems)} problems" if report.problems else "no problem"
    print(
        f"{report.pages} pages, {report.inside} links within, {report.outside} to other hosts (not followed): {verdict}"
    )
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
