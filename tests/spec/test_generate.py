"""The generator writes the same bytes everywhere, or nothing at all."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from scripts import check_spec, generate
from scripts.finish_package import FinishError, finish
from scripts.spec_document import SpecDocument
from tests.spec.broken import EDITS, Edit, project_with

pytestmark = pytest.mark.slow

SOURCES: Final = ("spec", "scripts", "pyproject.toml", "generated", "runpod_typed", "tests/_async", "tests/_sync")

BROKEN: Final = (
    *("missing reference", "duplicate operationId", "example of a wrong type", "not YAML"),
    *("a closed object", "an unpublished rate limit"),
)

NOT_GENERATED: Final = Edit(
    old="        text/html:\n          schema:\n            type: string\n        application/json:\n"
    "          schema:\n            $ref: '#/components/schemas/ErrorBody'\n    OtherServerError:",
    new="        application/xml:\n          schema:\n            type: string\n    OtherServerError:",
    reason="Unsupported content_type application/xml",
    marker="application/xml",
)
"""Sound OpenAPI that the generator has a warning about."""


ANOTHER_DAY: Final = """
import datetime, os, time

real_time, real_localtime, real_gmtime = time.time, time.localtime, time.gmtime
time.time = lambda: real_time() + 400 * 86400
time.localtime = lambda seconds=None: real_localtime(time.time() if seconds is None else seconds)
time.gmtime = lambda seconds=None: real_gmtime(time.time() if seconds is None else seconds)


class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


datetime.datetime = Later
with open(os.environ["CLOCK_LOG"], "a", encoding="utf-8") as log:
    log.write(f"{datetime.datetime.now():%Y-%m-%d}\\n")
"""
"""A `sitecustomize` that puts each Python below it 400 days ahead."""


def copy_of_the_project(folder: Path) -> Path:
    """The project as far as generation needs it, in a folder of its own."""
    for name in SOURCES:
        source = check_spec.ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, folder / name)
    return folder


def run(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the generator as people do, with nothing to fetch from."""
    dead_end = "http://127.0.0.1:9"
    offline = {"HTTP_PROXY": dead_end, "HTTPS_PROXY": dead_end, "ALL_PROXY": dead_end}
    return subprocess.run(
        [sys.executable, "scripts/generate.py", *arguments],
        cwd=project,
        env=os.environ | offline | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_committed_is_what_the_specification_says() -> None:
    assert generate.read(check_spec.ROOT / generate.OUTPUT) == generate.build(check_spec.ROOT)


def test_any_folder_and_any_hash_seed_give_the_same_bytes(tmp_path: Path) -> None:
    trees: list[generate.Tree] = []
    # Of a folder whose name is that of an environment or a build, the formatter leaves out all, unless told otherwise.
    for name, seed, scratch_name in (("one", "1", "scratch"), ("a folder of another name", "4242", "build/.venv/tmp")):
        project = copy_of_the_project(tmp_path / name)
        shutil.rmtree(project / generate.OUTPUT)
        # Settings around the folder it works in must not reach the formatter.
        scratch = project / scratch_name
        scratch.mkdir(parents=True)
        (scratch / "ruff.toml").write_text("line-length = 60\n[format]\nquote-style = 'single'\n", encoding="utf-8")
        (scratch / ".git").mkdir()
        (scratch / ".gitignore").write_text("*\n", encoding="utf-8")

        done = run(project, PYTHONHASHSEED=seed, TMPDIR=str(scratch))

        assert done.returncode == 0, done.stderr
        assert {path.name for path in scratch.iterdir()} == {"ruff.toml", ".git", ".gitignore"}
        trees.append(generate.read(project / generate.OUTPUT))

    assert trees[0] == trees[1] == generate.read(check_spec.ROOT / generate.OUTPUT)


def test_any_day_gives_the_same_bytes(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    shutil.rmtree(project / generate.OUTPUT)
    for path in project.rglob("*"):
        os.utime(path, (978_307_200, 978_307_200))  # the first of January 2001
    clock = tmp_path / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(ANOTHER_DAY, encoding="utf-8")
    log = clock / "days.txt"

    done = run(project, PYTHONPATH=str(clock), CLOCK_LOG=str(log), TZ="Pacific/Kiritimati")

    assert done.returncode == 0, done.stderr
    days = log.read_text(encoding="utf-8").split()
    assert days
    assert min(days) > (datetime.now(UTC) + timedelta(days=390)).date().isoformat()
    assert generate.read(project / generate.OUTPUT) == generate.read(check_spec.ROOT / generate.OUTPUT)


def test_a_second_run_has_nothing_to_write(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    before = (project / generate.OUTPUT).stat().st_ino

    assert "generated/ is up to date" in run(project).stdout

    assert (project / generate.OUTPUT).stat().st_ino == before


def test_an_edit_by_hand_is_found_and_shown(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    package = project / generate.OUTPUT / generate.PACKAGE
    wire = package / "wire.py"
    wire.write_text(wire.read_text(encoding="utf-8").replace("1000", "1001"), encoding="utf-8")
    (package / "helpers.py").write_text("HELP = 1\n", encoding="utf-8")
    (package / "errors.py").unlink()

    done = run(project, "--check")

    assert done.returncode == 1
    assert "-WAIT_MIN_MS: Final[int] = 1001" in done.stderr
    assert "+WAIT_MIN_MS: Final[int] = 1000" in done.stderr
    assert "--- generated/runpod_queue_api/helpers.py\n+++ /dev/null" in done.stderr
    assert "--- /dev/null\n+++ generated/runpod_queue_api/errors.py" in done.stderr
    assert "run `nox -s generate`" in done.stderr
    assert (package / "helpers.py").exists(), "--check must not write"


def test_an_edit_of_the_specification_reaches_the_figures(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    edit = Edit("run: { requests: 1000,", "run: { requests: 1234,", "", "")
    project_with(edit, project)

    assert run(project).returncode == 0

    wire = (project / generate.OUTPUT / generate.PACKAGE / "wire.py").read_text(encoding="utf-8")
    assert '"run": OperationLimit("run", 1234, 10.0, 200)' in wire


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_specification_leaves_what_was_generated_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(check_spec.ROOT / generate.OUTPUT, tmp_path / generate.OUTPUT)
    before = generate.read(tmp_path / generate.OUTPUT)
    project_with(EDITS[name], tmp_path)

    assert generate.main(["--root", str(tmp_path)]) == 1

    told = capsys.readouterr().err
    assert told.startswith("spec/openapi.yaml:")
    assert EDITS[name].reason in told
    assert generate.read(tmp_path / generate.OUTPUT) == before


def test_a_generator_warning_leaves_the_output_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(check_spec.ROOT / generate.OUTPUT, tmp_path / generate.OUTPUT)
    before = generate.read(tmp_path / generate.OUTPUT)
    text = project_with(NOT_GENERATED, tmp_path)

    assert generate.main(["--root", str(tmp_path)]) == 1

    line = text[: text.index("    post:\n      operationId: run\n")].count("\n") + 1
    told = capsys.readouterr().err
    assert f"spec/openapi.yaml:{line}: openapi-python-client says: " in told
    assert NOT_GENERATED.reason in told
    assert generate.read(tmp_path / generate.OUTPUT) == before


def test_a_figure_that_is_missing_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = project_with(Edit("        x-runpod-default: 10000\n", "", "", ""), tmp_path)
    schema = text.index("schema:", text.index("    StreamWait:"))

    assert generate.main(["--root", str(tmp_path)]) == 1

    line = text[:schema].count("\n") + 1
    place = "#/components/parameters/StreamWait/schema/x-runpod-default"
    assert f"spec/openapi.yaml:{line}: {place} is missing: write it, or remove its constant" in capsys.readouterr().err


def test_an_exchange_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "generated"
    target.mkdir()
    (target / "kept.py").write_bytes(b"KEPT = 1\n")
    impossible = {Path("name"): b"a file", Path("name/below"): b"a file below a file"}

    with pytest.raises(OSError, match="name"):
        generate.exchange(impossible, target)

    assert generate.read(target) == {Path("kept.py"): b"KEPT = 1\n"}
    assert list(tmp_path.iterdir()) == [target]


def test_the_record_says_what_the_code_was_made_from() -> None:
    record = json.loads((check_spec.ROOT / generate.OUTPUT / generate.RECORD).read_text(encoding="utf-8"))
    spec = (check_spec.ROOT / check_spec.SPEC).read_bytes()

    assert record["spec_sha256"] == sha256(spec).hexdigest()
    assert record["tools"].keys() == set(generate.TOOLS)


def test_every_module_says_where_it_comes_from() -> None:
    files = generate.read(check_spec.ROOT / generate.OUTPUT)
    modules = {path: content for path, content in files.items() if path.suffix == ".py"}

    assert modules
    assert all(content.startswith(generate.HEADER.encode()) for content in modules.values())
    assert files[Path(generate.PACKAGE) / "py.typed"] == b""


def test_a_step_fails_if_it_finds_nothing_to_change(tmp_path: Path) -> None:
    package = tmp_path / generate.PACKAGE
    shutil.copytree(check_spec.ROOT / generate.OUTPUT / generate.PACKAGE, package)
    with pytest.raises(FinishError, match=r"client\.py has 0 times what is known as"):
        finish(package, SpecDocument.load(check_spec.ROOT / check_spec.SPEC), [])


def test_models_that_refer_to_each_other_can_be_imported(tmp_path: Path) -> None:
    text = (check_spec.ROOT / check_spec.SPEC).read_text(encoding="utf-8")
    text = text.replace("        gpu:\n", "        parent: { $ref: '#/components/schemas/Job' }\n        gpu:\n", 1)
    of_error = "    ErrorObject:\n      type: object\n"
    job = "      properties: { job: { $ref: '#/components/schemas/Job' } }\n"
    (tmp_path / "spec").mkdir()
    (tmp_path / check_spec.SPEC).write_text(text.replace(of_error, of_error + job, 1), encoding="utf-8")
    for path, content in generate.build(tmp_path).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    program = (
        "from runpod_queue_api.models import ErrorObject, Job\n"
        "inner = {'id': 'a', 'status': 'FAILED', 'error': {'code': 1}}\n"
        "job = Job.from_dict(inner | {'parent': inner, 'error': {'job': inner}})\n"
        "assert type(job.parent) is Job and type(job.error.job) is Job, job\n"
        "assert job.to_dict()['parent'] == inner\n"
    )

    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, check=True)
