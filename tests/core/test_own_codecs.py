from __future__ import annotations

from typing import Any

import pytest

from runpod_typed._codecs.codec import Codec, codec_for, decode_output, encode_input
from runpod_typed.errors import ConfigurationError, InputError, OutputError
from tests.core.codec_samples import Celsius, as_input, as_output


def test_an_instance_of_a_codec_is_used_as_it_is() -> None:
    codec: Codec[int] = Celsius()
    assert codec_for(codec) is codec
    assert encode_input(codec, 21) == "21C"
    assert decode_output(codec, "21C") == 21


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("21F", "`Celsius` raised ValueError: 21F is no temperature"),
        (5, "`Celsius` raised AttributeError: 'int' object"),
        (None, "The worker returned nothing"),
    ],
)
def test_whatever_a_codec_raises_is_an_output_error(data: Any, words: str) -> None:
    with pytest.raises(OutputError) as caught:
        as_output(Celsius(), data, job_id="j1")
    assert words in caught.value.message
    assert "output of job j1 cannot be decoded" in caught.value.message
    assert caught.value.output is data
    assert isinstance(caught.value.__cause__, ValueError | AttributeError)


def test_whatever_a_codec_raises_is_an_input_error() -> None:
    with pytest.raises(InputError, match="The input cannot be encoded: `Celsius` raised ValueError: ") as caught:
        as_input(Celsius(), "hot")
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_a_codec_makes_must_be_json() -> None:
    class Raw:
        def encode(self, value: object) -> Any:
            return {"raw": [value]}

        def decode(self, data: Any) -> object:
            return data

    with pytest.raises(InputError) as caught:
        as_input(Raw(), b"png")
    assert caught.value.path == "$.raw[0]"


def test_an_exception_with_an_odd_text_does_no_harm() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Odd:
        def __init__(self, exc: Exception) -> None:
            self.exc = exc

        def encode(self, value: object) -> Any:
            raise self.exc

        def decode(self, data: Any) -> object:
            raise self.exc

    for exc in (MuteError(), ValueError("\ud83d" * 10_000), ValueError("a\nb"), RecursionError()):
        with pytest.raises(OutputError, match=f"`Odd` raised {type(exc).__name__}") as caught:
            as_output(Odd(exc), 1)
        assert len(caught.value.message.encode()) < 2_500
        assert "\n" not in caught.value.message
        assert caught.value.__cause__ is exc


def test_a_codec_class_in_place_of_an_instance_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigurationError, match=r"Pass an instance of it, Celsius\(\.\.\.\)"):
        codec_for(Celsius)
