"""The programs behind the site notice what they should, and the page on the HTTP API leaves nothing out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import check_site, docs_pages, draw_diagram
from scripts.draw_diagram import DiagramError, draw
from scripts.spec_document import SpecDocument, mapping, sequence
from tests.docs.snippets import ROOT

SPEC = SpecDocument.load(docs_pages.SPEC)
HTTP_API = docs_pages.http_api()


# Links.


def site(folder: Path, **pages: str) -> Path:
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>\n{body}\n</body></html>", encoding="utf-8")
    return folder


def test_a_site_whose_links_lead_somewhere_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body { background: url(data:image/png;base64,xyz) }", encoding="utf-8")
    found = check_site.check(
        site(
            tmp_path,
            one='<link rel="stylesheet" href="style.css?v=1"><a href="two.html#there">x</a><a href="#a" id="a">y</a>',
            two='<h1 id="there">Two</h1><a href="https://example.com/">elsewhere</a><a href="one.html">back</a>',
        )
    )

    assert (found.problems, found.pages, found.inside, found.outside) == ([], 2, 4, 1)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="three.html">x</a>', "one.html:2: three.html is not there"),
        ('<a href="one.html#gone">x</a>', "one.html:2: one.html#gone: there is no #gone on that page"),
        ('<a href="../up.html">x</a>', "one.html:2: ../up.html is not there"),
        ('<img src="//cdn.example.com/x.png">', "one.html:2: asks another host for //cdn.example.com/x.png"),
        (
            '<script src="https://cdn.example.com/x.js"></script>',
            "one.html:2: asks another host for https://cdn.example.com/x.js",
        ),
        (
            '<link rel="preconnect" href="https://fonts.example.com">',
            "one.html:2: asks another host for https://fonts.example.com",
        ),
        (
            '<p style="background: url(https://example.com/x.png)">',
            "one.html:2: asks another host for https://example.com/x.png",
        ),
    ],
)
def test_a_link_that_leads_nowhere_and_a_request_to_another_host_are_noticed(
    tmp_path: Path, body: str, problem: str
) -> None:
    assert check_site.check(site(tmp_path, one=body)).problems == [problem]


def test_a_style_sheet_that_asks_another_host_is_noticed(tmp_path: Path) -> None:
    (site(tmp_path, one="") / "style.css").write_text('@import "https://fonts.example.com/a.css";', encoding="utf-8")

    assert check_site.check(tmp_path).problems == ["style.css: asks another host for https://fonts.example.com/a.css"]


def test_an_empty_site_is_a_problem(tmp_path: Path) -> None:
    assert check_site.main([str(tmp_path)]) == 1


# The picture.


def test_the_pictures_are_what_their_texts_say() -> None:
    assert draw_diagram.main(["--check"]) == 0


def test_a_picture_holds_its_boxes_and_arrows() -> None:
    text = "box one 1 1-4 facade | One | text\nbox two 2 1-4 yours | Two | & more\narrow one -> two | up"
    drawn = draw(text, name="x")

    assert all(f">{text}</text>" in drawn for text in ("One", "Two", "&amp; more", "up"))
    assert drawn.count("marker-end") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("box one", "x:1: neither a box nor an arrow: box one"),
        ("\narrow one -> two | up", "x:2: there is no 'one' to draw"),
        ("box one 1 1-4 unheard | One | text", "x:1: there is no 'unheard' to draw"),
    ],
)
def test_a_text_that_cannot_be_drawn_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DiagramError, match=f"^{re.escape(message)}$"):
        draw(text, name="x")


# The page on the HTTP API.


def test_every_operation_is_on_the_page_with_its_method_path_and_limit() -> None:
    for operation in SPEC.operations():
        part = HTTP_API.partition(f"### {operation.name}\n")[2].partition("\n### ")[0]
        content = mapping(SPEC.find(operation.pointer))
        address = "your URL" if operation.is_webhook else operation.path
        assert f"{operation.method.upper()} {address}\n" in part
        assert str(content["summary"]) in part
        shared = mapping(SPEC.find(operation.pointer[:-1])).get("parameters")
        for entry in [*sequence(shared), *sequence(content.get("parameters"))]:
            name = str(mapping(entry)["$ref"]).rpartition("/")[2]
            assert f"| `{mapping(SPEC.find(('components', 'parameters', name)))['name']}` |" in part
        assert operation.is_webhook or "Rate limit: " in part
        assert all(f"`{status}`" in part for status in mapping(content["responses"]))


def test_every_schema_field_and_shared_answer_is_on_the_page() -> None:
    for name, schema in mapping(SPEC.find(("components", "schemas"))).items():
        part = HTTP_API.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert all(f"| `{field}` |" in part for field in mapping(mapping(schema).get("properties")))
        assert all(f"`{value}`" in part for value in sequence(mapping(schema).get("enum")))
    for name in mapping(SPEC.find(("components", "responses"))):
        assert f"### {name}\n" in HTTP_API


def test_every_example_of_a_body_is_on_the_page() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", HTTP_API, re.DOTALL)]
    examples = [
        mapping(example)["value"]
        for pointer, value in SPEC.walk()
        if len(pointer) > 2 and pointer[-1] == "examples" and pointer[-2] in {"application/json", "text/plain"}
        for example in mapping(value).values()
    ]

    assert len(examples) > 40
    assert [example for example in examples if example not in shown] == []


def test_every_description_is_on_the_page() -> None:
    said = " ".join(HTTP_API.replace("\\|", "|").split())
    places = {"info", "tags", "paths", "webhooks", "components"}
    for pointer, value in SPEC.walk():
        if pointer and pointer[-1] == "description" and isinstance(value, str) and pointer[0] in places:
            assert " ".join(value.split()) in said, pointer


def test_a_page_without_a_place_for_what_is_generated_is_refused() -> None:
    with pytest.raises(ValueError, match=r"docs/http-api\.md has no line <!-- http-api -->"):
        docs_pages.fill_in("# HTTP API\n", page="http-api")
    assert docs_pages.fill_in("# Types\n", page="types") == "# Types\n"


# What readers see of signatures and sources.


def test_private_names_in_annotations_become_the_public_ones() -> None:
    assert docs_pages.public_name("runpod_typed._sync.job.Job") == "runpod_typed.Job"
    assert docs_pages.public_name("RetryPolicy") == "runpod_typed.RetryPolicy"
    assert docs_pages.public_name("runpod_typed._core.config.CallConfig") is None


def test_signatures_show_figures_for_constants_and_jobs_show_none() -> None:
    assert docs_pages.translate_signature("runpod_typed.Client", "(timeout=DEFAULT_TIMEOUT)") == "(timeout=30)"
    assert docs_pages.translate_signature("runpod_typed.Client", "(c: ~httpx.Client)") == "(c: httpx.Client)"
    assert docs_pages.translate_signature("runpod_typed.RetryPolicy", "(budget=attr_dict['budget'].default)") == (
        "(budget=30.0)"
    )
    assert docs_pages.translate_signature("runpod_typed.local.Faults", "(kinds=attr_dict['kinds'].default)") == (
        "(kinds=tuple(FaultKind))"
    )
    assert docs_pages.translate_signature("runpod_typed.Job", "(waiter, config)") == ""
    assert docs_pages.translate_signature("runpod_typed.errors", None) is None


def test_the_line_on_sources_is_set_apart() -> None:
    assert docs_pages.mark_sources(["Ask.", "", "Source: the documents."]) == ["Ask.", "", "*Source:* the documents."]


def test_every_public_name_has_a_place_in_the_reference() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md")]
    documented: set[str] = set()
    for page in pages:
        module = re.search(r"currentmodule:: (\S+)", page)
        documented |= {
            f"{module[1]}.{name}" if module else name
            for name in re.findall(r"auto(?:class|exception|function|data):: (\w+)", page)
        }
        documented |= {f"{name}.*" for name in re.findall(r"automodule:: (\S+)\n```", page)}
    public = set(docs_pages.public_names().values())

    assert {name for name in public if f"{name.rpartition('.')[0]}.*" not in documented} <= documented
