"""What scripts/unasync.py does to a tree."""

from pathlib import Path

import pytest

from scripts.unasync import NAMES, convert_all, header, main, orphans

ALL_NAMES = "# Uses every entry of the table, so that none is idle.\n" + "".join(f"x = {name}\n" for name in NAMES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository whose sync half has not been written yet."""
    for folder in ("runpod_typed/_async", "tests/_async"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "runpod_typed/_async/__init__.py").write_text("# The async half.\n", encoding="utf-8")
    (tmp_path / "runpod_typed/_async/job.py").write_text("# A job.\nclass AsyncJob: ...\n", encoding="utf-8")
    (tmp_path / "tests/_async/test_job.py").write_text(ALL_NAMES, encoding="utf-8")
    return tmp_path


def run(root: Path, *arguments: str) -> int:
    return main(["--root", str(root), *arguments])


def files(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}


def test_the_sync_half_is_written(root: Path) -> None:
    assert run(root) == 0
    assert files(root)["runpod_typed/_sync/job.py"] == f"{header('runpod_typed/_async/job.py')}\nclass Job: ...\n"
    assert files(root).keys() >= {"runpod_typed/_sync/__init__.py", "tests/_sync/test_job.py"}


def test_what_was_written_passes_the_check_and_is_not_written_again(root: Path) -> None:
    run(root)
    target = root / "runpod_typed/_sync/job.py"
    before = target.stat().st_mtime_ns
    assert run(root, "--check") == 0
    assert run(root) == 0
    assert target.stat().st_mtime_ns == before


def test_the_check_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "--check") == 1
    assert not (root / "runpod_typed/_sync").exists()
    assert "runpod_typed/_sync/job.py: missing: run `nox -s generate`" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["\nx = 1", "\r\n", "# a comment\n"])
def test_the_check_shows_what_differs(root: Path, capsys: pytest.CaptureFixture[str], change: str) -> None:
    run(root)
    target = root / "runpod_typed/_sync/job.py"
    target.write_bytes(target.read_bytes() + change.encode())
    assert run(root, "--check") == 1
    assert "runpod_typed/_sync/job.py: not up to date" in capsys.readouterr().err


def test_foreign_line_ends_are_a_difference(root: Path) -> None:
    run(root)
    target = root / "runpod_typed/_sync/job.py"
    target.write_bytes(target.read_bytes().replace(b"\n", b"\r\n"))
    assert run(root, "--check") == 1
    assert run(root) == 0
    assert run(root, "--check") == 0


def test_an_orphan_fails_the_check_and_is_removed_when_it_was_generated(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(root)
    (root / "runpod_typed/_async/job.py").unlink()
    assert run(root, "--check") == 1
    assert "runpod_typed/_sync/job.py: has no source" in capsys.readouterr().err
    assert run(root) == 0
    assert not (root / "runpod_typed/_sync/job.py").exists()


def test_an_orphan_that_somebody_wrote_is_left_alone_and_fails(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(root)
    stray = root / "runpod_typed/_sync/stray.py"
    stray.write_text("x = 1\n", encoding="utf-8")
    assert orphans(root, convert_all(root)[0]) == [stray]
    assert run(root) == 1
    assert stray.exists()
    assert "runpod_typed/_sync/stray.py: has neither source nor header" in capsys.readouterr().err


def test_an_entry_of_the_table_that_nothing_uses_is_told_and_fails_the_check(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "tests/_async/test_job.py").write_text(ALL_NAMES.replace("__anext__", "x"), encoding="utf-8")
    assert run(root) == 0
    assert "no source uses '__anext__'" in capsys.readouterr().err
    assert run(root, "--check") == 1
    assert "no source uses '__anext__'" in capsys.readouterr().err


def test_one_refusal_leaves_the_whole_tree_as_it_was(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "runpod_typed/_async/a.py").write_text("# a\nimport asyncio\n", encoding="utf-8")
    (root / "runpod_typed/_async/z.py").write_text("no header\n", encoding="utf-8")
    before = files(root)
    assert run(root) == 1
    assert files(root) == before
    error = capsys.readouterr().err
    assert "runpod_typed/_async/a.py:2: " in error
    assert "runpod_typed/_async/z.py:1: " in error


def test_a_tree_without_sources_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 1
    assert "nothing to convert" in capsys.readouterr().err


def test_the_same_bytes_every_time_and_in_any_folder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "deep" / "down"
    for name, text in files(root).items():
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text(text, encoding="utf-8")
    run(root)
    run(elsewhere)
    assert files(root) == files(elsewhere)
