"""The recipes of the documentation run against a local queue whose handlers respond like Runpod's own workers."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import uvicorn

from runpod_typed.local import Handler, HandlerConfig, LocalQueue
from tests.docs.snippets import ROOT, Snippet, is_as_promised, run, snippets_in

FOLDER = ROOT / "docs" / "recipes"
SNIPPETS = [snippet for page in sorted(FOLDER.glob("*.md")) for snippet in snippets_in(page, "python")]
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n".ljust(70, b"\0")).decode()

Job = dict[str, Any]


def paint(job: Job) -> dict[str, str]:
    return {"url": "https://example.com/lighthouse.png"}


def vllm(job: Job) -> Iterator[Job]:
    """Yield batches of tokens, as worker-vllm does with `"stream": true`."""
    assert job["input"]["stream"] is True
    assert job["input"]["messages"][-1]["role"] == "user"
    for number, tokens in enumerate((["Light"], ["houses", " stand"], [" where", " land", " meets", " sea", "."])):
        yield {"choices": [{"tokens": tokens}], "usage": {"input": 12, "output": number}}


def comfyui(job: Job) -> dict[str, object]:
    """Return the images of a workflow, as worker-comfyui does without a bucket."""
    assert job["input"]["workflow"]["6"]["inputs"]["text"] == "a lighthouse in fog"
    return {"images": [{"filename": "ComfyUI_00001_.png", "type": "base64", "data": PIXEL}]}


def whisper(job: Job) -> dict[str, object]:
    """Return segments, as worker-faster_whisper does."""
    assert base64.b64decode(job["input"]["audio_base64"]) == b"ID3"
    said = [(0.0, 3.11, " Lighthouses stand where land meets sea."), (3.11, 62.5, " They blink.")]
    return {
        "segments": [
            {"id": number, "seek": 0, "start": start, "end": end, "text": text, "tokens": [50364], "avg_logprob": -0.8}
            for number, (start, end, text) in enumerate(said, 1)
        ],
        "detected_language": "en",
        "transcription": " ".join(text.strip() for _, _, text in said),
        "translation": None,
        "device": "cuda",
        "model": job["input"]["model"],
    }


HANDLERS: dict[str, Handler | HandlerConfig] = {
    "celery.md": paint,
    "chat.md": {"handler": vllm, "return_aggregate_stream": True},
    "fastapi.md": paint,
    "images.md": comfyui,
    "jsonl.md": paint,
    "transcription.md": whisper,
}

PRINTING = ("chat.md", "images.md", "jsonl.md", "transcription.md")


@pytest.fixture
def queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalQueue]:
    """The queue of a page, in a folder with the files that the recipes read."""
    monkeypatch.chdir(tmp_path)
    Path("talk.mp3").write_bytes(b"ID3")
    Path("prompts.jsonl").write_text('{"prompt": "a lighthouse"}\n{"prompt": "a harbor"}\n{"prompt": "a storm"}\n')
    Path("workflow.json").write_text(json.dumps({"6": {"inputs": {"text": ""}, "class_type": "CLIPTextEncode"}}))
    with LocalQueue(HANDLERS[request.param], endpoint_id="my-endpoint") as queue:
        monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
        yield queue


def recipe(page: str) -> Snippet:
    (snippet,) = snippets_in(FOLDER / page, "python")
    return snippet


@pytest.mark.parametrize(("page", "queue"), [(page, page) for page in PRINTING], indirect=["queue"])
def test_recipe_prints_what_the_page_shows(page: str, queue: LocalQueue) -> None:
    snippet = recipe(page)
    printed = run(snippet)
    assert snippet.output is not None
    assert is_as_promised(snippet, printed), printed


@pytest.mark.parametrize("queue", ["celery.md"], indirect=True)
def test_celery_submits_once_and_collects(queue: LocalQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    snippet = recipe("celery.md")
    eager = "app.conf.update(task_always_eager=True, task_eager_propagates=True)\n"  # no worker process
    code = snippet.code.replace("\n\npaint = ", f"\n\n{eager}paint = ")
    assert eager in code
    printed = run(Snippet(snippet.path, snippet.line, "python", code, snippet.heading))
    assert is_as_promised(snippet, printed), printed
    assert queue.stats().submitted == 1


@pytest.mark.parametrize("queue", ["fastapi.md"], indirect=True)
def test_fastapi_submits_and_receives_webhook(queue: LocalQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("WEBHOOK_SECRET", "a secret of the test")
        monkeypatch.setenv("PUBLIC_URL", url)
        server = uvicorn.Server(uvicorn.Config(load(recipe("fastapi.md"))["app"], log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            with httpx.Client(base_url=url, timeout=30) as browser:
                submitted = browser.post("/pictures", json={"prompt": "a lighthouse"})
                assert submitted.status_code == 202, submitted.text
                address = f"/pictures/{submitted.json()['id']}"
                assert first_success(browser, address).json() == {"url": "https://example.com/lighthouse.png"}
                assert browser.post("/runpod/wrong", content=b"{}").status_code == 404
                assert browser.post("/runpod/a secret of the test", content=b"{").status_code == 400
        finally:
            server.should_exit = True
            thread.join(30)


def load(snippet: Snippet) -> dict[str, Any]:
    module = sys.modules["recipe"] = ModuleType("recipe")  # FastAPI resolves annotations by the module
    exec(compile(snippet.code, str(snippet.path), "exec"), module.__dict__)
    return module.__dict__


def first_success(browser: httpx.Client, address: str) -> httpx.Response:
    response = browser.get(address)
    for _ in range(600):
        if response.status_code != 404:
            break
        time.sleep(0.05)
        response = browser.get(address)
    return response


def test_notebook_runs_and_shows_progress(tmp_path: Path) -> None:
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_bytes((ROOT / "examples" / "notebook.ipynb").read_bytes())
    command = [sys.executable, "-m", "jupyter", "execute", str(notebook), "--inplace", "--timeout=120"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=450, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in json.loads(notebook.read_bytes())["cells"] for output in cell.get("outputs", ())]
    shown = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    assert [html for html in shown if '<progress value="3" max="3"></progress> 3 of 3 done, 0 failed' in html]


def test_every_recipe_is_run() -> None:
    assert {snippet.path.name for snippet in SNIPPETS} == HANDLERS.keys()
    listed = {page.name for page in FOLDER.glob("*.md")} - {"index.md", "notebook.md"}
    assert listed == HANDLERS.keys()


def test_recipes_fit_the_column() -> None:
    assert [line for one in SNIPPETS for line in one.code.splitlines() if len(line) > 88] == []


def test_recipes_pass_strict_mypy(tmp_path: Path) -> None:
    for snippet in SNIPPETS:
        (tmp_path / f"{snippet.path.stem}_recipe.py").write_text(snippet.code, encoding="utf-8")
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache")]
    command = [sys.executable, "-m", "mypy", *options, str(tmp_path)]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])}
    checked = subprocess.run(command, capture_output=True, text=True, timeout=450, check=False, env=environment)
    assert checked.returncode == 0, checked.stdout
