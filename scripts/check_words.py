"""Check the English of docstrings, comments, messages, Markdown and test names.

python scripts/check_words.py            check all files
python scripts/check_words.py PATH...    check these files and folders
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CHECKED: Final = ("*.md", "*/README.md", "docs/**/*.md", "noxfile.py", "*/**/*.py")
SKIPPED: Final = re.compile(
    r"CHANGELOG|generated/|\.|site/|(runpod_typed|tests)/_sync/|tests/typing/refused/|(scripts/check|tests/docs/test)_words"
)
LONGEST_TEST_NAME: Final = 60

PHRASES: Final = {
    r"\b(None|empty|False|True|0|fails?|raises?|except|but|even|only) where\b|(^|[.:;] )Where\b": 'say "if" or "when"',
    r"\b(no|some|any|every)body\b|\b(who|what|which|where)ever\b": "name the task, the thread or the caller",
    r"\ba text\b": 'say "a string"',
    r"(?<!there )(?<!There )\bis no (?!longer|more|less|other|need|reason|way|such)\w": 'say "is not a ..."',
    r"\bvendor": 'say "Runpod"',
    r"\bso (many|much) (?!that\b|as\b|more\b|less\b|better\b)": 'say "the given number of", or the number',
    r"\banswer(s|ed|ing)?\b": 'say "response" or "respond"',
    r"\b(a|the|each|every|first|next|last|one|two|between|more|no) looks?\b|\blook(s|ed|ing)? for\b": 'say "poll"',
    r"\b(has|have) ended\b": 'say "finished"',
    r"\b(goes|went|go|going) on\b": 'say "continues" or "keeps running"',
    r"\bof the \w+'s own\b": 'say "custom" or "user-supplied"',
    r"\b(sync|async|either|both|other|the|one) (half|halves)\b|\btwins?\b": 'say "the sync API"',
    r"\bthe (shell|room|crew|ledger|tally)\b": "say which module or layer",
    r"\bin vain\b|\bfor want of\b|\bsees? to it\b|\bin the place of\b|\blest\b": "use a plain word",
}
FIRST_WORDS: Final = re.compile(r"(What|How|Whether|Where|Who|Whom|Whose|Which|One (that|of|who)|Another)\b")
PATTERN: Final = re.compile("|".join(f"(?P<p{i}>{phrase})" for i, phrase in enumerate(PHRASES)), re.MULTILINE)


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each finding in a file."""
    source = path.read_text(encoding="utf-8")
    texts = python_texts(source) if path.suffix == ".py" else [(1, re.sub(r"`[^`\n]*`", "``", source))]
    for line, text in texts:
        for match in PATTERN.finditer(text):
            advice = list(PHRASES.values())[int((match.lastgroup or "p0")[1:])]
            yield line + text.count("\n", 0, match.start()), f"{match.group().strip(' .:;')!r}: {advice}"
    if path.suffix == ".py":
        yield from structure_findings(ast.parse(source))


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments and the strings of several words, with their lines."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds and " " in token.string.strip("# \"'"):
            yield token.start[0], re.sub(r"`[^`\n]*`", "``", token.string)


def structure_findings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield docstrings that begin with a clause, and test names that are too long."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            line = getattr(node, "lineno", 1)
            match = FIRST_WORDS.match(ast.get_docstring(node) or "")
            if match is not None:
                yield line, f"docstring begins with {match.group()!r}: begin with a verb or a noun"
            name = getattr(node, "name", "")
            if name.startswith("test_") and len(name) > LONGEST_TEST_NAME:
                yield line, f"{name} has {len(name)} characters, at most {LONGEST_TEST_NAME} are allowed"


def checked_files() -> list[str]:
    """Return the files that are checked, by their path in the repository."""
    paths = {path.relative_to(ROOT).as_posix() for pattern in CHECKED for path in ROOT.glob(pattern)}
    return sorted(path for path in paths if not SKIPPED.match(path) and "/." not in path and "node_modules" not in path)


def main(arguments: list[str]) -> int:
    """Print the findings; return the exit code."""
    asked = [Path(argument).resolve() for argument in arguments] or [ROOT]
    paths = [path for path in checked_files() if any((ROOT / path).is_relative_to(one) for one in asked)]
    found = [f"{path}:{line}: {finding}" for path in paths for line, finding in sorted(findings(ROOT / path))]
    print(*found, f"{len(found)} findings", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
