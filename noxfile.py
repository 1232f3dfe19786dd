"""The tasks of the project: `nox -l` lists them, `nox -s tests` runs one.

Only Python 3.11 and a package index are needed. pyproject.toml lists the tools in `[dependency-groups]`.
Environments are reused on a developer's machine and created anew in CI; `nox -Rs tests` also skips the installation.
"""

import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PROJECT = PYPROJECT["project"]
PYTHONS = nox.project.python_versions(PYPROJECT)
"""The supported versions of Python; types are checked for each."""

REQUIREMENTS = [
    *PROJECT["dependencies"],
    *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
]
"""What the package needs, with all of its extras."""

IN_CI = bool(os.environ.get("CI"))
EXTRAS = ".[cli,fast,local,otel,pydantic]"
CPUS = os.cpu_count() or 1
SIDE_BY_SIDE = (f"--numprocesses={2 * CPUS + 1}", "--dist=worksteal")
"""More processes than processors, since more than half of the time of the tests is waiting."""
FAST = "not slow and not endurance"
"""Selects the tests of `nox -s quick`, there without those under trio."""
QUICK = (f"--numprocesses={CPUS + 2}", "--dist=worksteal")
OF_THE_PACKAGE = [f"--ignore=tests/{name}" for name in ("api_diff", "architecture", "docs", "spec", "unasync")]
"""Leaves out the tests of the repository."""
UNCONSTRAINED = {"PIP_CONSTRAINT": ""}
"""Lets a session install older versions than those of constraints.txt."""
NO_BROWSER = NO_NODE = 3
"""The exit codes of scripts/browse_site.py if there is no Chromium, and of scripts/check_spec.py without Node.js."""

nox.needs_version = ">=2025.2.9"
nox.options.reuse_venv = "never" if IN_CI else "yes"
nox.options.sessions = ["lint", "types", "tests", "check_generated"]
os.environ["PYTHONDONTWRITEBYTECODE"] = ""  # compiled modules start faster
os.environ["PIP_NO_COMPILE"] = "1"  # most modules are never imported: half of the time of an installation


def groups(*names: str) -> tuple[str, ...]:
    """Return the requirements of these dependency groups of pyproject.toml."""
    return tuple(dict.fromkeys(nox.project.dependency_groups(PYPROJECT, *names)))


# Generated code


@nox.session
def generate(session: nox.Session) -> None:
    """Write generated/ from spec/openapi.yaml, and the sync API from the async API."""
    session.install(*groups("generate"))
    session.run("python", "scripts/generate.py")


@nox.session
def check_generated(session: nox.Session) -> None:
    """Fail if generated/ or the sync API is out of date; write nothing."""
    session.install(*groups("generate"))
    session.run("python", "scripts/generate.py", "--check")


@nox.session
def api_diff(session: nox.Session) -> None:
    """List the changes for users since the last release, or since `-- REV`, and the version that follows."""
    session.install(*groups("api_diff"))
    session.run("python", "scripts/api_diff.py", *session.posargs)


# Checks


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, English, and which module imports which."""
    session.install("-e", ".[cli,local,otel]", *groups("lint"))
    check_style(session)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, both strict; `-- --quick` runs mypy once."""
    session.install("-e", EXTRAS, *groups("dev"))
    if "--quick" in session.posargs:
        session.run("mypy")
    else:
        check_types(session)


@nox.session
def oldest_checkers(session: nox.Session) -> None:
    """Check that the oldest supported mypy and pyright see the declared types."""
    session.install("-e", ".", *groups("oldest_checkers"), env=UNCONSTRAINED)
    file = "tests/typing/accepted/classes.py"
    session.run("mypy", "--strict", "--config-file=", "--follow-imports=silent", file)
    folder = Path(session.create_tmp()).resolve()  # this pyright cannot read the configuration of the project
    (folder / "pyrightconfig.json").write_text(json.dumps({"include": [Path(file).name]}), encoding="utf-8")
    shutil.copy(ROOT / file, folder)
    session.run("pyright", "--pythonpath", f"{session.bin}/python", "--project", str(folder))


@nox.session
def check(session: nox.Session) -> None:
    """Run lint, types, check_generated and spec in one environment, as CI does."""
    session.install("-e", EXTRAS, *groups("dev"))
    session.run("python", "scripts/generate.py", "--check")
    check_style(session)
    check_types(session)
    check_spec(session)


def check_style(session: nox.Session) -> None:
    """Run the linters."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("python", "scripts/check_words.py")
    session.run("lint-imports")
    session.run("pytest", "-q", "tests/architecture")


def check_types(session: nox.Session) -> None:
    """Run the type checkers."""
    for version in PYTHONS:
        session.run("mypy", "--python-version", version)
    for version in (PYTHONS[0], PYTHONS[-1]):
        session.run("pyright", "--project", "pyproject.toml", "--pythonversion", version)
    session.run("pyright", "--verifytypes", "runpod_typed", "--ignoreexternal")
    session.run("pytest", "-q", "tests/typing")


@nox.session
def spec(session: nox.Session) -> None:
    """Check the specification: a valid document, examples that fit their schemas, a strict linter (needs Node.js)."""
    session.install(*groups("generate"))
    check_spec(session)


def check_spec(session: nox.Session) -> None:
    """Check the specification, and lint it if Node.js is installed."""
    session.run("python", "scripts/check_spec.py", "--lint", success_codes=[0, NO_NODE])


# Tests; arguments after `--` go to pytest


@nox.session
def quick(session: nox.Session) -> None:
    """Run the fast tests under asyncio alone and with few Hypothesis examples: before each commit."""
    session.install("-e", EXTRAS, *groups("tests"))
    session.run("pytest", *QUICK, "-m", f"{FAST} and not trio", "--hypothesis-profile=quick", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests but those of endurance, which `nox -s deep` runs."""
    session.install("-e", EXTRAS, *groups("tests"))
    session.run("pytest", *SIDE_BY_SIDE, "-m", "not endurance", *session.posargs)


@nox.session
def deep(session: nox.Session) -> None:
    """Run the endurance tests, and the property tests with ten times the examples (in CI, with the usual number)."""
    session.install("-e", EXTRAS, *groups("tests"))
    profile = f"--hypothesis-profile={'default' if IN_CI else 'deep'}"
    session.run("pytest", *SIDE_BY_SIDE, "-m", "hypothesis or deep or endurance", profile, *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Soak: 20,000 jobs over real sockets, 600 in CI, a tenth of all requests hit by a fault."""
    session.install("-e", EXTRAS, *groups("tests"))
    jobs = "600" if IN_CI else "20000"
    session.run("python", "-m", "tests.soak", "--jobs", jobs, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and list the lines that they do not reach."""
    session.install("-e", EXTRAS, *groups("tests"))
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session
def minimums(session: nox.Session) -> None:
    """Run the fast tests with the oldest version of each dependency that pyproject.toml allows."""
    oldest = [one.split(",")[0].replace(">=", "==") for one in REQUIREMENTS]
    session.install("-e", EXTRAS, *groups("tests"))
    # Afterwards: the worker SDK, which only slow tests start, wants newer versions.
    oldest += [one.replace("-api", "-sdk") for one in oldest if one.startswith("opentelemetry-")]  # released together
    session.install(*oldest, env=UNCONSTRAINED)
    session.run("pytest", *QUICK, "-m", FAST, *OF_THE_PACKAGE, *session.posargs)


@nox.session
def regeneration(session: nox.Session) -> None:
    """Edit the specification in some 100 ways on copies of the project; compare what the tools and the facade do."""
    # Without the project itself: mypy would find there what an edit of a copy has removed.
    session.install(*REQUIREMENTS, *groups("regeneration", "types", "docs", "tests"))
    patience = "faulthandler_timeout=900"  # one test runs mypy several times
    options = ("--numprocesses=logical", "--dist=load", "--override-ini", patience)
    session.run("pytest", *options, "tests/regeneration", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Run the examples for Dask and Ray, in processes of their own."""
    session.install("-e", ".[local]", *groups("engines"))
    session.run("pytest", "tests/engines", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Check that other generators compile the specification, and that a mock of it serves our client."""
    session.install("-e", ".", *groups("interop"))
    folder = Path(session.create_tmp()).resolve() / "tools"
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests" / "interop" / name, folder)
    with session.chdir(folder):
        session.run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    session.run("pytest", "tests/interop", *session.posargs, env={"INTEROP_TOOLS": str(folder)})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Send a minute of requests that Schemathesis generates from the specification to the local queue."""
    session.install("-e", ".[local]", *groups("fuzz"))
    session.run("python", "-m", "tests.fuzz", "--max-time=60", "--max-examples=30", *session.posargs)


# Documentation, demo, benchmarks


DEMO = """
Typed jobs without an account: a queue on this machine replaces the platform.

  1. The first job, whose handler runs in this process: in about 10 seconds.
  2. All calls, on real workers of Runpod's SDK: in about a minute, half of
     which is the installation of the SDK.
"""


@nox.session(venv_backend="none")  # it says what it does before it creates an environment
def demo(session: nox.Session) -> None:
    """Run typed jobs without an account: the first in this process, then all calls on real workers."""
    print(DEMO, flush=True)
    folder = ROOT / ".nox" / "demo-jobs"
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    if IN_CI or not Path(python).exists():
        session.run(sys.executable, "-m", "virtualenv", "--quiet", "--clear", str(folder), external=True, log=False)

    def act(title: str, requirements: Iterable[str], program: str, *arguments: str) -> None:
        print(f"Installing {title} ...\n", flush=True)
        session.run(python, "-m", "pip", "install", *requirements, silent=True, external=True, log=False)
        session.run(python, f"examples/{program}", *arguments, env=from_source, external=True, log=False)

    # The packages run from their folders: to install them takes three times as long as what they need.
    from_source = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])}
    needed = (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["local"])
    act("what the client and the local queue need", needed, "first_job.py")
    act("Runpod's worker SDK", groups("worker"), "demo.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into site/, fail on warnings, and open its pages and the local queue's in Chromium."""
    session.install("-e", EXTRAS, *groups("docs", "pytest"))
    shutil.rmtree(ROOT / "site", ignore_errors=True)
    trees = session.create_tmp()
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--fresh-env", "-q", "-d", trees, "docs", "site")
    session.run("python", "scripts/browse_site.py", "site", success_codes=[0, NO_BROWSER])
    session.run("pytest", "tests/page")
    session.log(f"The site is built. Open {ROOT / 'site' / 'index.html'}")


@nox.session
def recipes(session: nox.Session) -> None:
    """Follow the first minutes in a fresh environment, run the recipes against a local queue, and check their types."""
    session.run("python", "-m", "tests.cli.first_minutes")
    session.install("-e", ".[local]", *groups("recipes"))
    session.run("pytest", "tests/recipes", *session.posargs)


@nox.session
def links(session: nox.Session) -> None:
    """Follow the links of the documentation to other hosts."""
    session.install("-e", EXTRAS, *groups("docs"))
    session.run("sphinx-build", "-b", "linkcheck", "-q", "docs", session.create_tmp())


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this library beside others, some 20 minutes, and write benchmarks/RESULTS.md; `-- --smoke` is short."""
    session.install("-e", ".", *groups("bench"))
    contenders = Path(session.bin).parent / "contenders"
    session.run(
        "python", "-m", "benchmarks", "--folder", str(contenders), *session.posargs, env={"PIP_NO_COMPILE": "0"}
    )


# Packages


@nox.session
def lock(session: nox.Session) -> None:
    """Write constraints.txt: the newest versions that fit; CI tests each change with them."""
    session.install("pip>=26.1")
    file = ROOT / "pylock.toml"  # pip wants it beside the project; it names hosts, so it is not kept
    newest = [group for group in PYPROJECT["dependency-groups"] if group != "oldest_checkers"]
    every = [option for group in newest for option in ("--group", group)]
    session.run("python", "-m", "pip", "lock", "--quiet", EXTRAS, *every, "--output", str(file))
    packages = tomllib.loads(file.read_text(encoding="utf-8"))["packages"]
    file.unlink()
    pins = sorted(f"{package['name']}=={package['version']}" for package in packages if "version" in package)
    header = "# Written by `nox -s lock`. To use it: PIP_CONSTRAINT=constraints.txt nox -s tests"
    (ROOT / "constraints.txt").write_text("\n".join([header, *pins, ""]), encoding="utf-8")


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist and, from it, the wheel, and run the fast tests of the sdist against the installed wheel."""
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
    with session.chdir(folder / "sdist" / sdist.name.removesuffix(".tar.gz")):
        options = ("--installed", *QUICK, "-m", FAST, *OF_THE_PACKAGE, *session.posargs)
        session.run("pytest", *options, env={"RUNPOD_TYPED_FAST": "0"})  # over httpcore: other sessions have the extra


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
