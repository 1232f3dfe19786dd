"""Other generators compile the specification as it stands, without a warning, into code that is right."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from scripts.check_spec import ROOT, SPEC
from tests.interop.tools import node_command, python_command, run

DOCUMENT: Final = str(ROOT / SPEC)
TYPESCRIPT: Final = (
    "--noEmit --strict --target es2022 --module esnext --moduleResolution bundler --lib es2022,dom,dom.iterable"
)
PYDANTIC: Final = "--output-model-type pydantic_v2.BaseModel --use-annotated --formatters builtin"

GENERATORS: Final = {
    "openapi-typescript": (node_command, "openapi-typescript", f"{DOCUMENT} -o openapi-typescript/schema.d.ts"),
    "hey-api": (node_command, "openapi-ts", f"-i {DOCUMENT} -o hey-api --no-log-file"),
    "orval": (node_command, "orval", f"--input {DOCUMENT} --output orval/api.ts --client fetch"),
    "datamodel-code-generator": (
        python_command,
        "datamodel_code_generator",
        f"--input {DOCUMENT} --input-file-type openapi --output models.py {PYDANTIC}",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_compiles_the_specification_without_warning(name: str, folder: Path) -> None:
    command, tool, arguments = GENERATORS[name]
    done = run(command(tool, *arguments.split(" ")), folder)

    assert done.returncode == 0, done.stdout
    assert "warn" not in done.stdout.lower(), done.stdout


def test_typescript_programs_compile_against_what_was_generated(folder: Path) -> None:
    shutil.copy(ROOT / "tests" / "interop" / "use.ts", folder)
    done = run(node_command("tsc", *TYPESCRIPT.split(" "), "use.ts"), folder)
    assert done.returncode == 0, done.stdout


def test_a_typescript_program_that_misspells_a_field_does_not(folder: Path) -> None:
    text = (ROOT / "tests" / "interop" / "use.ts").read_text(encoding="utf-8")
    (folder / "misuse.ts").write_text(text.replace("query: { ttl: 6000 }", 'query: { ttl: "6000" }'), encoding="utf-8")
    done = run(node_command("tsc", *TYPESCRIPT.split(" "), "misuse.ts"), folder)
    assert "Type 'string' is not assignable to type 'number'" in done.stdout


def test_python_models_of_another_generator_read_an_example(folder: Path) -> None:
    program = 'from models import Job; print(Job.model_validate_json(\'{"id": "a", "status": "PAUSED"}\').status)'
    (folder / "use.py").write_text(program, encoding="utf-8")
    done = run(python_command("use"), folder)
    assert (done.returncode, done.stdout) == (0, "PAUSED\n"), done.stdout


def test_another_python_client_loads_the_specification(folder: Path) -> None:
    program = (
        "from pathlib import Path; from aiopenapi3 import FileSystemLoader, OpenAPI\n"
        f"spec = Path({DOCUMENT!r})\n"
        "api = OpenAPI.load_file('http://127.0.0.1/', spec.name, loader=FileSystemLoader(spec.parent))\n"
        "print(api.components.schemas['Job'].get_type().model_fields['id'].annotation)\n"
    )
    (folder / "load.py").write_text(program, encoding="utf-8")
    done = run(python_command("load"), folder)
    assert (done.returncode, done.stdout) == (0, "<class 'str'>\n"), done.stdout
