"""The sync half is what the async half says, line for line."""

from pathlib import Path

import pytest

from scripts.unasync import FOLDERS, ROOT, check, convert_all, header

PAIRS = tuple((ROOT / source, ROOT / target) for source, target in FOLDERS.items())


def pairs_of_modules(source: Path, target: Path) -> list[tuple[Path, Path]]:
    return [(path, target / path.relative_to(source)) for path in sorted(source.rglob("*.py"))]


def unequal(source: Path, target: Path) -> list[str]:
    """Modules whose twin is missing, has another number of lines, or says that it comes from elsewhere."""
    told: list[str] = []
    for ours, theirs in pairs_of_modules(source, target):
        if not theirs.exists():
            told.append(f"{theirs.name}: missing")
            continue
        before, after = ours.read_text(encoding="utf-8").split("\n"), theirs.read_text(encoding="utf-8").split("\n")
        if len(before) != len(after):
            told.append(f"{theirs.name}: {len(after)} lines for {len(before)}")
        if after[0] != header(ours.relative_to(source.parent.parent).as_posix()):
            told.append(f"{theirs.name}: no header")
    return told


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=FOLDERS)
def test_both_halves_have_the_same_modules_with_the_same_lines(source: Path, target: Path) -> None:
    assert pairs_of_modules(source, target), "there is no async half"
    assert unequal(source, target) == []


def test_the_sync_half_is_up_to_date() -> None:
    wanted, unused = convert_all(ROOT)
    assert check(ROOT, wanted) == []
    assert unused == []


def test_a_missing_longer_or_headless_twin_is_found(tmp_path: Path) -> None:
    source, target = tmp_path / "pkg" / "_async", tmp_path / "pkg" / "_sync"
    source.mkdir(parents=True)
    target.mkdir(parents=True)
    for name, text in {"missing": None, "longer": "\n\n", "headless": "# by hand\n", "good": "\n"}.items():
        (source / f"{name}.py").write_text("# by hand\n", encoding="utf-8")
        if text is not None:
            first = "" if name == "headless" else header(f"pkg/_async/{name}.py")
            (target / f"{name}.py").write_text(first + text, encoding="utf-8")
    assert unequal(source, target) == ["headless.py: no header", "longer.py: 3 lines for 2", "missing.py: missing"]
