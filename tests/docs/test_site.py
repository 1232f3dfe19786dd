"""The programs behind the site notice what they should, and the page on the HTTP API leaves nothing out."""

from __future__ import annotations

import json
import re

import pytest

from scripts import docs_pages, http_reference
from scripts.spec_document import mapping, sequence
from tests.contract.described import SPEC
from tests.docs.snippets import ROOT

HTTP_API = http_reference.render(SPEC)


# The page on the HTTP API.


def test_page_shows_every_operation_with_method_path_limit() -> None:
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


def test_page_shows_every_schema_field_and_response() -> None:
    for name, schema in mapping(SPEC.find(("components", "schemas"))).items():
        part = HTTP_API.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert all(f"| `{field}` |" in part for field in mapping(mapping(schema).get("properties")))
        assert all(f"`{value}`" in part for value in sequence(mapping(schema).get("enum")))
    for name in mapping(SPEC.find(("components", "responses"))):
        assert f"### {name}\n" in HTTP_API


def test_page_shows_every_example_of_a_body() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", HTTP_API, re.DOTALL)]
    examples = [
        mapping(example)["value"]
        for pointer, value in SPEC.walk()
        if len(pointer) > 2 and pointer[-1] == "examples" and pointer[-2] in {"application/json", "text/plain"}
        for example in mapping(value).values()
    ]

    assert len(examples) > 40
    assert [example for example in examples if example not in shown] == []


def test_page_shows_every_description() -> None:
    said = " ".join(HTTP_API.replace("\\|", "|").split())
    places = {"info", "tags", "paths", "webhooks", "components"}
    for pointer, value in SPEC.walk():
        if pointer[:2] == ("components", "links"):
            continue  # they tell programs how operations follow on each other
        if pointer and pointer[-1] == "description" and isinstance(value, str) and pointer[0] in places:
            assert " ".join(value.split()) in said, pointer


def test_refuses_page_without_place_for_generated_part() -> None:
    with pytest.raises(ValueError, match=r"docs/http-api\.md has no line <!-- http-api -->"):
        docs_pages.fill_in("# HTTP API\n", page="http-api")
    assert docs_pages.fill_in("# Types\n", page="types") == "# Types\n"


# Signatures.


def test_private_names_in_annotations_become_public() -> None:
    assert docs_pages.public_name("runpod_typed._sync.job.Job") == "runpod_typed.Job"
    assert docs_pages.public_name("RetryPolicy") == "runpod_typed.RetryPolicy"
    assert docs_pages.public_name("runpod_typed._core.config.CallConfig") is None


def test_signatures_show_numbers_for_constants() -> None:
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


def test_docstring_examples_become_code_blocks() -> None:
    assert docs_pages.convert_fences(["Ask.", "", "```python", "a()", "", "b()", "```"]) == [
        *("Ask.", "", "", ".. code-block:: python", "", "    a()", "", "    b()", ""),
    ]


def test_example_comes_first_with_sync_and_async_in_tabs() -> None:
    lines = ["Fetch it.", "", "More.", "", "Example:", "    ``job.refresh()``", "", "Args:", "    ttl: Seconds."]
    shown = docs_pages.lead_with_example("runpod_typed.Job.refresh", lines)

    places = [shown.index(line) for line in ("Fetch it.", "   .. tab-item:: Sync", "   .. tab-item:: Async", "More.")]
    assert places == sorted(places)
    code = [line.strip() for line in shown if "refresh" in line]
    assert code == ["job.refresh()", "state = await job.refresh()"]
    assert shown[-3:] == ["", "Args:", "    ttl: Seconds."]


def test_example_without_async_counterpart_has_no_tabs() -> None:
    lines = ["The jobs.", "", "Example:", "    ::", "", "        if x:", "            y()"]
    shown = docs_pages.lead_with_example("runpod_typed.JobState", lines)

    assert shown == ["The jobs.", "", ".. code-block:: python", "", "   if x:", "       y()", "", ""]
    assert docs_pages.lead_with_example("runpod_typed.JobState", ["The jobs."]) == ["The jobs."]


def test_reference_has_every_public_name() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md")]
    documented: set[str] = set()
    for page in pages:
        module = re.search(r"currentmodule:: (\S+)", page)
        documented |= {
            f"{module[1]}.{name}" if module else name
            for name in re.findall(r"(?:auto|py:)(?:class|exception|function|data):: (\w+)", page)
        }
        documented |= {f"{name}.*" for name in re.findall(r"automodule:: (\S+)\n```", page)}
    public = set(docs_pages.public_names().values())

    assert {name for name in public if f"{name.rpartition('.')[0]}.*" not in documented} <= documented
