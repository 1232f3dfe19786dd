from __future__ import annotations

import json
import math
import uuid
from collections import OrderedDict, UserDict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._codecs.json import MAX_DEPTH, NotPlainJSON, format_path, to_plain
from runpod_typed._errors import printable

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NOT_PLAIN: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.text(st.characters(categories=["Cs"]), min_size=1),
    st.binary(),
    st.sets(st.integers()),
    st.datetimes(),
    st.decimals(),
    st.uuids(),
    st.complex_numbers(),
    st.builds(object),
    st.dictionaries(st.integers() | st.none() | st.booleans() | st.tuples(), st.none(), min_size=1),
)
STEPS = st.lists(st.integers(0, 3) | st.text(max_size=5), max_size=8)


class Point(NamedTuple):
    x: int
    y: int


class Mode(StrEnum):
    FAST = "fast"


class Level(IntEnum):
    HIGH = 3


class Shape(Enum):
    SQUARE = (1, 1)


class MyText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class MyInteger(int):
    pass


class MyFloat(float):
    pass


class Opaque:
    pass


def _wrapped(value: Any, steps: list[int | str]) -> Any:
    for step in reversed(steps):
        value = {"other": 1} | {step: value} if isinstance(step, str) else [*range(step), value, "after"]
    return value


@given(PLAIN)
def test_plain_json_is_unchanged(value: Any) -> None:
    plain = to_plain(value)
    assert plain == value
    assert json.dumps(plain) == json.dumps(value)  # True is not 1, and 1.0 is not 1


def test_the_result_shares_no_container_with_the_value() -> None:
    value: dict[str, list[dict[str, int]]] = {"a": [{"b": 1}]}
    plain = to_plain(value)
    value["a"][0]["b"] = 2
    assert plain == {"a": [{"b": 1}]}


@given(NOT_PLAIN, STEPS)
def test_the_path_leads_to_the_first_value_that_is_not_json(value: Any, steps: list[int | str]) -> None:
    with pytest.raises(NotPlainJSON) as caught:
        to_plain(_wrapped(value, steps))
    assert caught.value.path == format_path(steps)
    caught.value.reason.encode()  # it can be printed


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (b"png", "base64"),
        (bytearray(b"png"), "base64"),
        (memoryview(b"png"), "base64"),
        ({1, 2}, "list"),
        (frozenset({1}), "list"),
        ((item for item in [1]), "list(value)"),
        (range(3), "plain JSON that represents it"),
        (datetime(2026, 1, 1, tzinfo=UTC), "isoformat"),
        (date(2026, 1, 1), "isoformat"),
        (time(12), "isoformat"),
        (timedelta(seconds=1), "total_seconds"),
        (Decimal("0.1"), "str(value)"),
        (uuid.uuid4(), "str(value)"),
        (Path("cat.png"), "file's content"),
        (Opaque(), "test_json_values.Opaque"),
        (Opaque, "not the class"),
        (math.nan, "`nan`"),
        (-math.inf, "`-inf`"),
        (10**4_500, "digits"),
        ("\ud83d", "character 0"),
        ({"\udc00": 1}, "surrogate"),
        ({1: "a"}, "the key 1 "),
        ({None: "a"}, "the key None "),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else type(value).__name__,
)
def test_refusals_say_what_to_send_instead(value: Any, advice: str) -> None:
    with pytest.raises(NotPlainJSON) as caught:
        to_plain(value)
    assert advice in caught.value.reason


RELATIVES: list[tuple[object, object]] = [
    ((1, (2, 3)), [1, [2, 3]]),
    (Point(1, 2), [1, 2]),
    (OrderedDict(a=1), {"a": 1}),
    (MappingProxyType({"a": MappingProxyType({"b": 1})}), {"a": {"b": 1}}),
    (UserDict({"a": 1}), {"a": 1}),
    (Mode.FAST, "fast"),
    ({Mode.FAST: Level.HIGH}, {"fast": 3}),
    (Shape.SQUARE, [1, 1]),
    (MyText("text"), "text"),
    (MyInteger(5), 5),
    (MyFloat(1.5), 1.5),
    (True, True),
]


@pytest.mark.parametrize(("value", "plain"), RELATIVES, ids=lambda value: type(value).__name__)
def test_subclasses_of_plain_types_become_plain(value: Any, plain: Any) -> None:
    result = to_plain(value)
    assert result == plain
    assert type(result) is type(plain)
    assert json.dumps(result) == json.dumps(plain)


def test_floats_of_a_subclass_are_checked() -> None:
    with pytest.raises(NotPlainJSON):
        to_plain(MyFloat("nan"))


def _nested(levels: int, make: Callable[[Any], Any]) -> Any:
    value: Any = make(None)
    for _ in range(levels - 1):
        value = make(value)
    return value


def _in_dict(value: Any) -> Any:
    return {"a": value}


def _in_list(value: Any) -> Any:
    return [value]


def _in_tuple(value: Any) -> Any:
    return (value,)


@pytest.mark.parametrize("make", [_in_dict, _in_list, _in_tuple])
def test_nesting_is_allowed_up_to_the_cap(make: Callable[[Any], Any]) -> None:
    to_plain(_nested(MAX_DEPTH, make))
    with pytest.raises(NotPlainJSON, match="nested deeper than 200"):
        to_plain(_nested(MAX_DEPTH + 1, make))


@pytest.mark.parametrize("wide", [1, 3])
def test_values_that_contain_themselves_are_refused(wide: int) -> None:
    loop: list[Any] = []
    loop.extend([loop] * wide)
    with pytest.raises(NotPlainJSON, match="contains itself") as caught:
        to_plain({"loop": loop})
    assert caught.value.path.startswith("$.loop[0][0]")
    assert len(caught.value.path) < 200


def test_paths_are_json_paths() -> None:
    assert format_path([]) == "$"
    assert format_path(["size", 0, "width"]) == "$.size[0].width"
    assert format_path(["odd key", 'quo"te', "", "größe"]) == '$["odd key"]["quo\\"te"][""].größe'
    assert len(format_path(["x" * 10_000])) < 100


@given(st.text(st.characters()))
def test_any_text_can_be_made_printable(text: str) -> None:
    shown = printable(text, 20)
    shown.encode()
    assert shown.isprintable()
    assert len(shown) <= 20 * 10 + 3
    assert not text.isprintable() or shown == (text if len(text) <= 20 else f"{text[:20]}...")


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "\x00", "\x7f", "\x9b", "\ud800", "\u202e", "\u2028", "\r"])
def test_control_characters_are_escaped(text: str) -> None:
    assert printable(text) == "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) != text
