"""Compile the specification: `spec/openapi.yaml` becomes `generated/`, `_async/` becomes `_sync/`.

The specification is checked first, the code is made in a temporary folder, and `generated/` is exchanged in one step at
the end: a failure before that leaves it as it was. The output depends on the specification and the pinned tools alone,
so it is the same, byte for byte, on every run and machine; nothing is fetched.

    python scripts/generate.py              write
    python scripts/generate.py --check      write nothing; fail if generated/ or the sync API is out of date
"""

import argparse
import difflib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Final, cast

from openapi_python_client import Project
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_python_client.parser import GeneratorData
from openapi_python_client.parser.errors import GeneratorError
from openapi_python_client.parser.openapi import Endpoint

if __name__ == "__main__":  # run as a file, Python looks beside it and not in the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import reference_data, unasync, wire_module
from scripts.check_spec import SPEC, dangling_links, load_checked
from scripts.finish_package import FinishError, finish
from scripts.spec_document import METHODS, Pointer, Problem, SpecDocument, SpecError, mapping

ROOT: Final = Path(__file__).resolve().parent.parent
OUTPUT: Final = Path("generated")
PACKAGE: Final = "runpod_queue_api"
RECORD: Final = "GENERATED.json"
TOOLS: Final = ("openapi-python-client", "ruff")
HEADER: Final = f"# Written by `nox -s generate` from {SPEC.as_posix()}. Do not edit: edit the specification.\n\n"

# The output must not depend on the folder that it is made in: no configuration of what surrounds it, and no skipping of
# names like `build/` or `.nox/`.
_ANYWHERE: Final = ("--isolated", "--no-cache", "--no-respect-gitignore", "--config", "exclude=[]")
FIX: Final = ("ruff", "check", ".", *_ANYWHERE, "--quiet", "--select", "F401,I", "--fix")
FORMAT: Final = ("ruff", "format", ".", *_ANYWHERE, "--quiet")

Tree = Mapping[Path, bytes]
"""Files by their path within `generated/`."""


class GenerationError(Exception):
    """Nothing was generated, for the reason in the message."""


def build(root: Path) -> Tree:
    """Return what `generated/` should hold, made in a temporary folder.

    Raises:
        SpecError: The specification has problems.
        GenerationError: The tools are not the pinned ones, or failed.
    """
    spec = load_checked(root)
    wire = wire_module.render(spec)
    record = {
        "command": "nox -s generate",
        "spec": SPEC.as_posix(),
        "spec_version": mapping(spec.content["info"])["version"],
        "spec_sha256": hashlib.sha256((root / SPEC).read_bytes()).hexdigest(),
        "tools": _pinned_versions(),
    }
    with tempfile.TemporaryDirectory(prefix="runpod-queue-api-") as folder:
        package = Path(folder) / PACKAGE
        endpoints = _compile(spec, package)
        (package / "wire.py").write_text(wire, encoding="utf-8")
        (package / "py.typed").touch()
        try:
            finish(package, spec, endpoints)
        except FinishError as error:
            raise GenerationError(f"generate: {error}") from None
        _run(FIX, cwd=package)
        _run(FORMAT, cwd=package)
        files = {Path(PACKAGE) / path.relative_to(package): path.read_bytes() for path in _files(package)}
    header = HEADER.encode()
    files = {path: header + content if path.suffix == ".py" else content for path, content in files.items()}
    files[Path(PACKAGE) / "reference.json"] = reference_data.render(spec).encode()
    files[Path(RECORD)] = (json.dumps(record, indent=2) + "\n").encode()
    return dict(sorted(files.items()))


def differences(wanted: Tree, present: Tree) -> Iterator[str]:
    """Yield a unified diff that leads from the present files to the wanted ones."""
    for path in sorted(wanted.keys() | present.keys()):
        old, new = present.get(path, b""), wanted.get(path, b"")
        if old != new or (path in wanted) != (path in present):
            name = (OUTPUT / path).as_posix()
            yield from difflib.unified_diff(
                old.decode("utf-8", "replace").splitlines(keepends=True),
                new.decode("utf-8", "replace").splitlines(keepends=True),
                fromfile=name if path in present else "/dev/null",
                tofile=name if path in wanted else "/dev/null",
            )


def read(folder: Path) -> Tree:
    """Return the files of a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in _files(folder)}


def exchange(wanted: Tree, target: Path) -> None:
    """Replace a folder by another, made in full beside it and then renamed."""
    with tempfile.TemporaryDirectory(prefix=".generated-", dir=target.parent) as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        for path, content in wanted.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(content)
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="generate", description="Compiles spec/openapi.yaml into generated/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if generated/ is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    arguments = parser.parse_args(argv)
    root: Path = arguments.root.resolve()
    target = root / OUTPUT
    try:
        wanted = build(root)
        links = dangling_links(SpecDocument.load(root / SPEC, shown_as=SPEC))
    except (SpecError, GenerationError) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stderr.writelines(f"{link} (a warning: `nox -s spec` refuses it)\n" for link in links)
    present = read(target)
    if wanted == present:
        print(f"{OUTPUT}/ is up to date: {len(wanted)} files")
    elif arguments.check:
        sys.stderr.writelines(differences(wanted, present))
        print(f"{OUTPUT}/ is not what {SPEC.as_posix()} says: run `nox -s generate`", file=sys.stderr)
    else:
        exchange(wanted, target)
        print(f"{OUTPUT}/ is written: {len(wanted)} files")
    halves = unasync.main(["--root", str(root), *(["--check"] if arguments.check else [])])
    return 1 if halves or (arguments.check and wanted != present) else 0


def _compile(spec: SpecDocument, package: Path) -> list[Endpoint]:
    """Write the package as openapi-python-client does, and return its operations.

    Raises:
        SpecError: It has a warning, which means that it leaves something out.
        GenerationError: It fails.
    """
    settings = ConfigFile(project_name_override=PACKAGE, package_name_override=PACKAGE, post_hooks=[])
    config = Config.from_sources(settings, MetaType.NONE, spec.path, "utf-8", overwrite=False, output_path=package)
    try:
        data = GeneratorData.from_dict(dict(spec.content), config=config)
        if isinstance(data, GeneratorError):
            errors: Sequence[GeneratorError] = [data]
        else:
            with redirect_stdout(io.StringIO()):
                errors = Project(openapi=data, config=config).build()
            if not errors:
                return [each for found in data.endpoint_collections_by_tag.values() for each in found.endpoints]
    except Exception as error:
        raise GenerationError(f"generate: openapi-python-client fails: {type(error).__name__}: {error}") from error
    raise SpecError(*sorted({_placed(spec, error) for error in errors}, key=lambda problem: problem.line))


def _placed(spec: SpecDocument, error: GeneratorError) -> Problem:
    """Return an error of the generator with the line that it is about, as far as it says."""
    told = " ".join(re.sub("<.* object at .*?>", "", f"{error.header}: {error.detail or ''}").split())
    place: Pointer = ()
    if named := re.search(r"#?/?(components[/.]schemas[/.]\w+)([\w.]*)", told):
        place = (*re.split("[/.]", named[1]), *(key for key in named[2].split(".") if key not in {"", "other"}))
    elif named := re.search(rf"({'|'.join(METHODS)}) (/\S*)", told, re.IGNORECASE):
        place = ("paths", named[2], named[1].lower())
    return spec.problem(place, f"openapi-python-client says: {told.strip(' :')}")


def _run(command: Sequence[str], *, cwd: Path) -> None:
    """Run a tool of this interpreter's environment; the folder has modules that are called like standard ones."""
    command = [sys.executable, "-P", "-m", *command]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GenerationError(f"generate: {' '.join(command[3:6])} failed\n{done.stdout}{done.stderr}".rstrip())


def _pinned_versions() -> dict[str, str]:
    """Return the versions of the tools that decide on the output.

    Raises:
        GenerationError: One is installed in another version than pyproject.toml pins.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = cast("Mapping[str, Sequence[object]]", project["dependency-groups"])
    requirements = [each for group in groups.values() for each in group if isinstance(each, str)]
    pins = dict(each.split("==") for each in requirements if each.count("==") == 1)
    installed = {tool: version(tool) for tool in TOOLS}
    for tool, found in installed.items():
        if found != pins.get(tool):
            wanted = pins.get(tool, "nothing")
            raise GenerationError(f"generate: {tool} {found} is installed, pyproject.toml pins {wanted}: use nox")
    return installed


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


if __name__ == "__main__":
    sys.exit(main())
