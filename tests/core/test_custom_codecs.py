from __future__ import annotations

from typing import Any

import pytest

from runpod_typed._codecs.codec import UNTYPED, Codec, choose_codec, codec_for
from runpod_typed._core.run_request import encode_input
from runpod_typed.errors import ConfigurationError, InputError, OutputError
from tests.core.codec_samples import Celsius, as_input, as_output


def test_a_codec_instance_is_used_as_it_is() -> None:
    codec: Codec[int] = Celsius()
    assert codec_for(codec) is codec
    assert encode_input(codec, 21) == "21C"
    assert as_output(codec, "21C") == 21


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("21F", "`Celsius` raised ValueError: 21F is not a temperature"),
        (5, "`Celsius` raised AttributeError: 'int' object"),
        (None, "The worker returned nothing"),
    ],
)
def test_exceptions_of_decode_become_output_errors(data: Any, words: str) -> None:
    with pytest.raises(OutputError) as caught:
        as_output(Celsius(), data, job_id="j1")
    assert words in caught.value.message
    assert "output of job j1 cannot be decoded" in caught.value.message
    assert caught.value.output is data
    assert isinstance(caught.value.__cause__, ValueError | AttributeError)


def test_exceptions_of_encode_become_input_errors() -> None:
    with pytest.raises(InputError, match="The input cannot be encoded: `Celsius` raised ValueError: ") as caught:
        as_input(Celsius(), "hot")
    assert isinstance(caught.value.__cause__, ValueError)


def test_custom_codecs_must_return_json() -> None:
    class Raw:
        def encode(self, value: object) -> Any:
            return {"raw": [value]}

        def decode(self, data: Any) -> object:
            return data

    with pytest.raises(InputError) as caught:
        as_input(Raw(), b"png")
    assert caught.value.path == "$.raw[0]"


def test_exceptions_with_broken_text_are_reported() -> None:
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
        assert len(caught.value.message.encode()) < 2_800
        assert "\n" not in caught.value.message
        assert caught.value.__cause__ is exc


def test_codec_classes_are_refused_with_a_hint() -> None:
    with pytest.raises(ConfigurationError, match=r"Pass an instance, Celsius\(\.\.\.\), as the codec"):
        codec_for(Celsius)


@pytest.mark.parametrize(
    ("type_form", "codec", "words"),
    [
        (int, Celsius(), "output_type= and output_codec= are both given"),
        (UNTYPED, Celsius, "output_codec= must be an instance"),
        (UNTYPED, int, "output_codec= must be an instance"),
        (UNTYPED, 5, "output_codec= must be an instance of a class with the methods encode and decode, not 5"),
        (Celsius(), None, "pass a Codec as output_codec="),
    ],
)
def test_types_and_codecs_have_arguments_of_their_own(type_form: object, codec: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        choose_codec("output_", type_form, codec)


def test_a_codec_argument_is_chosen_before_the_type() -> None:
    codec = Celsius()
    assert choose_codec("output_", UNTYPED, codec) is codec
    assert choose_codec("output_", int, None) is codec_for(int)
    assert choose_codec("output_", UNTYPED, None) is codec_for(UNTYPED)
