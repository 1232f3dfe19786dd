"""Installations as users get them: a folder with a distribution, its dependencies, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).resolve().parent.parent

_NOT_FOR_CONTENDERS: Final = re.compile(r"^(PYTHON|RUNPOD_|SSL_CERT_|REQUESTS_CA_)|_proxy$", re.IGNORECASE)

# The peak of this process's own memory. What the operating system tells of a child includes the memory of its parent.
_TELL_MEMORY = """
from pathlib import Path as _Path
_status = _Path('/proc/self/status')
if _status.exists():
    _peak = int(_status.read_text().split('VmHWM:')[1].split()[0]) * 1024
else:
    import resource as _resource
    _peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss
print(_peak)
"""


@frozen
class Start:
    """One run of a short program, from nothing to its end: seconds on the clock, processor time, and bytes at most."""

    wall: float
    cpu: float
    memory: float


@frozen
class Environment:
    """Installed distributions."""

    folder: Path

    @property
    def size(self) -> int:
        """Bytes of all files without bytecode."""
        files = (file for file in self.folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
        return sum(file.stat().st_size for file in files)

    @property
    def versions(self) -> dict[str, str]:
        """The version of each distribution by its name in lower case."""
        return {found.name.lower(): found.version for found in distributions(path=[str(self.folder)])}

    def variables(self, *more: Path) -> dict[str, str]:
        """Return the variables of a process that finds this installation and the given folders alone."""
        path = os.pathsep.join(str(folder) for folder in (self.folder, *more))
        # Some clients read all variables at each request: there are as many as usual.
        usual = {name: value for name, value in os.environ.items() if _NOT_FOR_CONTENDERS.search(name) is None}
        return usual | {"PYTHONPATH": path, "HOME": str(self.folder)}

    def start(self, program: str) -> Start:
        """Run a program with nothing but the standard library and what is installed here."""
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", program + _TELL_MEMORY],
            env=self.variables(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"{program!r} ended with {process.returncode}; its error is above")
        return Start(wall, usage.ru_utime + usage.ru_stime, float(told.split()[-1]))


@frozen
class Environments:
    """An installation for each contender, so that no contender makes another one faster or slower.

    Attributes:
        core: This library as `pip install runpod-typed` brings it.
        ours: The same with the extra `fast`.
        cli: The same with the extra `cli`.
        runpod: Runpod's own client, the newest release.
        httpx: httpx alone.
        parts: httpx, attrs and msgspec: the least that this library could be.
        aiohttp: aiohttp alone.
        pyreqwest: pyreqwest alone.
        bare: Nothing.
        profiler: The profiler, which is put beside a contender.
    """

    core: Environment
    ours: Environment
    cli: Environment
    runpod: Environment
    httpx: Environment
    parts: Environment
    aiohttp: Environment
    pyreqwest: Environment
    bare: Environment
    profiler: Environment

    @classmethod
    def install(cls, folder: Path, *, keep: bool = False) -> Environments:
        """Install the newest releases of all below a folder.

        With `keep`, only this library is installed again, and what is missing.
        """
        for old in ("core", "ours", "cli", "wheel") if keep else (".",):
            shutil.rmtree(folder / old, ignore_errors=True)
        (folder / "bare").mkdir(parents=True, exist_ok=True)
        _pip("wheel", "--no-deps", "--wheel-dir", str(folder / "wheel"), str(ROOT))
        (wheel,) = (folder / "wheel").glob("*.whl")

        def installed(name: str, *requirements: str) -> Environment:
            if not (folder / name).exists():
                _pip("install", "--no-compile", "--target", str(folder / name), *requirements)
            return Environment(folder / name)

        return cls(
            core=installed("core", str(wheel)),
            ours=installed("ours", f"{wheel}[fast]"),
            cli=installed("cli", f"{wheel}[cli]"),
            runpod=installed("runpod", "runpod"),
            httpx=installed("httpx", "httpx"),
            parts=installed("parts", "httpx", "attrs", "msgspec"),
            aiohttp=installed("aiohttp", "aiohttp"),
            pyreqwest=installed("pyreqwest", "pyreqwest"),
            bare=Environment(folder / "bare"),
            profiler=installed("profiler", "pyinstrument"),
        )

    def of(self, contender: str) -> Environment:
        """Return the installation of a contender."""
        match contender.partition(",")[0], contender:
            case _, "ours, core alone":
                return self.core
            case "ours", _:
                return self.ours
            case "runpod", _:
                return self.runpod
            case "httpx", _:
                return self.httpx
            case "aiohttp", _:
                return self.aiohttp
            case "pyreqwest", _:
                return self.pyreqwest
            case _:
                return self.bare


def _pip(command: str, *arguments: str) -> None:
    # pip resolves for an empty folder, but warns of packages beside it.
    found = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
    )
    if found.returncode != 0:
        raise RuntimeError(f"pip {command} {' '.join(arguments)} ended with {found.returncode}: {found.stderr}")
