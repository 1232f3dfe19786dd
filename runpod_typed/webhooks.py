"""Reading what Runpod posts to a webhook."""

from __future__ import annotations

from typing import Any, overload

from typing_extensions import TypeForm, TypeVar

from runpod_typed._codecs import json
from runpod_typed._codecs.codec import UNTYPED, Codec, codec_for
from runpod_typed._codecs.json import DecodesText
from runpod_typed._core.responses import read_completed_job, read_job
from runpod_typed._core.results import with_typed_output
from runpod_typed._models.jobs import JobState
from runpod_typed._models.validation import ValidationError
from runpod_typed.errors import InputError

__all__ = ["parse_webhook"]

OutT = TypeVar("OutT")


@overload
def parse_webhook(body: bytes | str) -> JobState[Any]: ...
@overload
def parse_webhook(body: bytes | str, *, output_type: TypeForm[OutT]) -> JobState[OutT]: ...
@overload
def parse_webhook(body: bytes | str, *, output_type: Codec[OutT]) -> JobState[OutT]: ...
def parse_webhook(body: bytes | str, *, output_type: Any = UNTYPED) -> JobState[Any]:
    """The job that a webhook's body tells of.

    Runpod signs nothing: anybody who knows the URL can post to it. Put a secret into the URL, or ask for the job's
    status, before you act on it. The same job may be posted up to three times; tell repeats by its id, and answer 200
    at once.

    Source: the vendor's documents, "Send requests", webhooks.

    Args:
        body: The request's body, as it came.
        output_type: The type of the output, as for ``client.endpoint``.

    Raises:
        InputError: The body is no JSON, or tells of no job.
        OutputError: The job is COMPLETED and its output does not fit its type.
        ConfigurationError: Nothing here can handle the type.
    """
    codec = codec_for(output_type)
    given: object = body  # what callers without a type checker pass: what their framework has decoded
    if not isinstance(given, bytes | bytearray | memoryview | str):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise InputError(
            f"The webhook's body must be bytes or a text, and was {type(body).__name__}: pass it undecoded."
        )
    try:
        data = body.encode() if isinstance(body, str) else body
        completed = read_completed_job(data) if isinstance(codec, DecodesText) else None
        state = completed or read_job(json.decode(data))
    except json.MalformedJSON as error:
        raise InputError(f"The webhook's body is no JSON: {error}.") from None
    except (ValidationError, UnicodeEncodeError) as error:
        raise InputError(f"The webhook's body tells of no job: {error}.") from None
    return with_typed_output(state, codec)
