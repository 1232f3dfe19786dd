"""The request envelope that clients send, checked field by field."""

from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, ValidationError, convert
from runpod_queue_api import wire

from runpod_typed.local._engine.records import Submission

T = TypeVar("T")


class InvalidEnvelopeError(ValueError):
    """The envelope breaks a rule; the message names the field."""


class _Policy(Struct, rename="camel"):
    execution_timeout: (
        Annotated[int, Meta(ge=wire.EXECUTION_TIMEOUT_MIN_MS, le=wire.EXECUTION_TIMEOUT_MAX_MS)] | None
    ) = None
    ttl: Annotated[int, Meta(ge=wire.TTL_MIN_MS, le=wire.TTL_MAX_MS)] | None = None
    low_priority: bool | None = None


class _S3Config(Struct, rename="camel"):
    access_id: str
    access_secret: str
    bucket_name: str
    endpoint_url: str
    object_path: str = ""


class _Envelope(Struct, rename="camel"):
    input: Any
    webhook: Annotated[str, Meta(pattern="^(https?://|$)")] | None = None
    policy: _Policy | None = None
    s3_config: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        try:
            convert(self.s3_config, _S3Config | None)  # only checked: the worker gets unknown keys too
        except ValidationError as error:
            raise ValueError(f"s3Config: {error}") from None

    def to_submission(self) -> Submission:
        policy = self.policy or _Policy()
        return Submission(
            input=self.input,
            webhook=self.webhook or None,
            execution_timeout=_seconds(policy.execution_timeout),
            ttl=_seconds(policy.ttl),
            low_priority=policy.low_priority or False,
            s3_config=self.s3_config,
        )


class _Requests(Struct):
    requests: list[_Envelope]


def read_envelope(body: object) -> Submission:
    """Read a decoded envelope. Unknown keys are discarded, as on the platform."""
    return _convert(body, _Envelope).to_submission()


def read_envelopes(body: object) -> list[Submission]:
    """Read a decoded array of envelopes. Errors give the position of the envelope."""
    return [envelope.to_submission() for envelope in _convert(body, list[_Envelope])]


def read_requests(body: object) -> list[Submission]:
    """Read a decoded object with an array `requests` of envelopes."""
    return [envelope.to_submission() for envelope in _convert(body, _Requests).requests]


def _convert(body: object, kind: type[T]) -> T:
    try:
        return convert(body, kind)
    except (ValidationError, UnicodeEncodeError) as error:  # the latter for a key with a lone surrogate
        raise InvalidEnvelopeError(str(error)) from None


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
