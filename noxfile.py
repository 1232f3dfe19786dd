"""What a person or a CI does with this project: `nox -l` lists it, `nox -s tests` does one thing.

Nothing but Python 3.11 and a package index is needed. Versions of tools are written in pyproject.toml
(`[dependency-groups]`), and only there. Environments are kept between runs on a person's machine, and made afresh where
CI is set; `nox -Rs tests` also leaves out the installing.
"""

import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
"""The versions of Python that the project supports; the types are checked for each."""

EXTRAS = ".[aiohttp,local,pydantic]"
NO_BROWSER = 3
"""The exit code of scripts/browse_site.py if there is no Chromium."""

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "never" if os.environ.get("CI") else "yes"
nox.options.sessions = ["lint", "types", "tests", "check_generated"]


def groups(*names: str) -> tuple[str, ...]:
    """The requirements in these dependency groups of pyproject.toml."""
    return tuple(dict.fromkeys(nox.project.dependency_groups(PYPROJECT, *names)))


# What is generated


@nox.session
def generate(session: nox.Session) -> None:
    """Write generated/ from spec/openapi.yaml, and the sync half from the async half."""
    session.install(*groups("generate"))
    session.run("python", "scripts/generate.py")


@nox.session
def check_generated(session: nox.Session) -> None:
    """Fail where generated/ or the sync half is not what its source says; write nothing."""
    session.install(*groups("generate"))
    session.run("python", "scripts/generate.py", "--check")


@nox.session
def api_diff(session: nox.Session) -> None:
    """Say what has changed for users since the last release, or since `-- REV`, and which version follows."""
    session.install("-e", ".", *groups("api_diff"))
    session.run("python", "scripts/api_diff.py", *session.posargs)


# What is checked


@nox.session
def spec(session: nox.Session) -> None:
    """Check the contract: a valid document, examples that fit their schemas, a strict linter (needs Node.js)."""
    session.install(*groups("generate"))
    session.run("python", "scripts/check_spec.py")
    if shutil.which("npx") is None:
        session.skip("Node.js is not installed, so the linter did not run; the other checks passed")
    session.run("python", "scripts/check_spec.py", "--lint")


@nox.session
def regeneration(session: nox.Session) -> None:
    """Make the edits of docs/regenerating.md on copies of the project: the tools say what the page says they do."""
    # All but the project itself: beside it, mypy would go on finding what an edit of a copy has removed.
    project = PYPROJECT["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    session.install(*project["dependencies"], *extras, *groups("regeneration"))
    patience = "faulthandler_timeout=900"  # one test runs mypy several times, on a machine that may be busy
    side_by_side = ("--numprocesses=2", "--dist=loadfile")
    session.run("pytest", *side_by_side, "--override-ini", patience, "tests/regeneration", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Check that the contract stands on its own: other generators compile it, and a mock of it serves our client."""
    session.install("-e", ".", *groups("interop"))
    folder = Path(session.create_tmp()).resolve() / "tools"
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests" / "interop" / name, folder)
    with session.chdir(folder):
        session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    session.run("pytest", "tests/interop", *session.posargs, env={"INTEROP_TOOLS": str(folder)})


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, English, and which module imports which."""
    session.install("-e", ".[local]", *groups("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("python", "scripts/check_words.py")
    session.run("lint-imports")
    session.run("pytest", "tests/architecture")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types: mypy and pyright, both strict, and that no public name is without its type."""
    session.install("-e", EXTRAS, *groups("dev"))
    for version in PYTHONS:
        session.run("mypy", "--python-version", version)
    for version in (PYTHONS[0], PYTHONS[-1]):
        session.run("pyright", "--project", "pyproject.toml", "--pythonversion", version)
    session.run("pyright", "--verifytypes", "runpod_typed", "--ignoreexternal")
    session.run("pytest", "tests/typing")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; what follows `--` goes to pytest."""
    session.install("-e", EXTRAS, *groups("tests"))
    session.run("pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and say which lines they did not reach."""
    session.install("-e", EXTRAS, *groups("tests"))
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session
def minimums(session: nox.Session) -> None:
    """Run the tests with the oldest version of each dependency that pyproject.toml allows."""
    oldest = [requirement.split(",")[0].replace(">=", "==") for requirement in PYPROJECT["project"]["dependencies"]]
    session.install("-e", EXTRAS, *oldest, *groups("tests"))
    session.run("pytest", *session.posargs)


# What is shown and shipped


@nox.session
def demo(session: nox.Session) -> None:
    """Run typed jobs on a real worker, with no account: the local queue stands in for the platform."""
    session.install("-e", ".[local]", *groups("worker"))
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/, warnings being errors, and open each page in Chromium if it is installed."""
    session.install("-e", EXTRAS, *groups("docs"))
    shutil.rmtree(ROOT / "site", ignore_errors=True)
    trees = session.create_tmp()
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--fresh-env", "-q", "-d", trees, "docs", "site")
    session.run("python", "scripts/browse_site.py", "site", success_codes=[0, NO_BROWSER])
    session.log(f"the documentation is in {ROOT / 'site' / 'index.html'}")


@nox.session
def links(session: nox.Session) -> None:
    """Follow the links of the documentation to other hosts."""
    session.install("-e", EXTRAS, *groups("docs"))
    session.run("sphinx-build", "-b", "linkcheck", "-q", "docs", session.create_tmp())


@nox.session
def faults(session: nox.Session) -> None:
    """Soak: 20,000 jobs over real sockets, a tenth of all requests hit by a fault; ends by itself within minutes."""
    session.install("-e", EXTRAS, *groups("tests"))
    session.run("python", "-m", "tests.soak", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Schemathesis over the specification against the local queue: a minute of generated requests."""
    session.install("-e", ".[local]", *groups("fuzz"))
    session.run("python", "-m", "tests.fuzz", "--max-time=60", "--max-examples=30", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this library beside others, some 15 minutes, and write benchmarks/RESULTS.md; `-- --smoke` is short."""
    session.install("-e", ".", *groups("bench"))
    contenders = Path(session.bin).parent / "contenders"
    session.run("python", "-m", "benchmarks", "--folder", str(contenders), *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist, the wheel from it, and run the tests of the one against the other."""
    session.install(*groups("build"))
    folder = Path(session.create_tmp())
    shutil.rmtree(folder / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"), str(ROOT))
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    shutil.rmtree(folder / "sdist", ignore_errors=True)
    shutil.unpack_archive(sdist, folder / "sdist", filter="data")
    session.run("python", "-m", "pip", "uninstall", "--yes", "--quiet", "runpod-typed", silent=True)
    session.install(EXTRAS.replace(".", str(wheel), 1), *groups("tests"))
    # What is about the repository, and not about the package, is left to the session `tests`.
    others = [f"--ignore=tests/{name}" for name in ("api_diff", "architecture", "docs", "soak", "spec", "unasync")]
    with session.chdir(folder / "sdist" / sdist.name.removesuffix(".tar.gz")):
        session.run("pytest", "--installed", *others, *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Go through the release checklist, publish nothing; `-- --rehearsal` lists the last steps instead of failing."""
    session.install(*groups("release"))
    session.run("python", "scripts/release_check.py", *session.posargs)
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"), str(ROOT))
    wheel, sdist = (str(next((folder / "dist").glob(pattern))) for pattern in ("*.whl", "*.tar.gz"))
    session.run("twine", "check", "--strict", wheel, sdist)
    session.run("check-wheel-contents", wheel)
    for name, package in (("sdist", sdist), ("wheel", wheel)):
        session.run("python", "-m", "venv", str(folder / name))
        python = str(folder / name / ("Scripts" if os.name == "nt" else "bin") / "python")
        session.run(python, "-m", "pip", "install", "--quiet", f"{package}[local]", external=True)
        session.run(python, "-I", "scripts/check_installed.py", external=True)
