"""The request envelope that clients send, checked field by field."""

from collections.abc import Mapping
from typing import cast

from runpod_queue_api import wire

from runpod_typed.local._engine.records import Submission

S3_REQUIRED = ("accessId", "accessSecret", "bucketName", "endpointUrl")
S3_OPTIONAL = ("objectPath",)


class InvalidEnvelopeError(ValueError):
    """The envelope breaks a rule; the message names the field."""


def read_envelope(body: object) -> Submission:
    """Read a decoded envelope. Unknown keys are discarded, as on the platform."""
    envelope = _object(body, "the request body")
    if "input" not in envelope:
        raise InvalidEnvelopeError("input is required")
    policy = _object({} if envelope.get("policy") is None else envelope["policy"], "policy")
    return Submission(
        input=envelope["input"],
        webhook=_url(envelope, "webhook"),
        execution_timeout=_milliseconds(
            policy, "executionTimeout", wire.EXECUTION_TIMEOUT_MIN_MS, wire.EXECUTION_TIMEOUT_MAX_MS
        ),
        ttl=_milliseconds(policy, "ttl", wire.TTL_MIN_MS, wire.TTL_MAX_MS),
        low_priority=_flag(policy, "lowPriority"),
        s3_config=_s3_config(envelope.get("s3Config")),
    )


def read_envelopes(body: object, name: str) -> list[Submission]:
    """Read a decoded array of envelopes. Errors give the position of the envelope."""
    if not isinstance(body, list):
        raise InvalidEnvelopeError(f"{name} must be an array")
    submissions: list[Submission] = []
    for position, item in enumerate(cast("list[object]", body)):
        try:
            submissions.append(read_envelope(item))
        except InvalidEnvelopeError as error:
            raise InvalidEnvelopeError(f"{name}[{position}]: {error}") from None
    return submissions


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidEnvelopeError(f"{name} must be an object")
    return cast("dict[str, object]", value)


def _url(envelope: Mapping[str, object], name: str) -> str | None:
    value = envelope.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise InvalidEnvelopeError(f"{name} must be an http or https URL")
    return value


def _milliseconds(policy: Mapping[str, object], name: str, least: int, most: int) -> float | None:
    value = policy.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidEnvelopeError(f"policy.{name} must be a whole number of milliseconds from {least} to {most}")
    return value / 1000


def _flag(policy: Mapping[str, object], name: str) -> bool:
    value = policy.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidEnvelopeError(f"policy.{name} must be true or false")
    return value


def _s3_config(value: object) -> Mapping[str, object] | None:
    if value is None:
        return None
    config = _object(value, "s3Config")
    for name in (*S3_REQUIRED, *S3_OPTIONAL):
        if name in S3_REQUIRED and name not in config:
            raise InvalidEnvelopeError(f"s3Config.{name} is required")
        if not isinstance(config.get(name, ""), str):
            raise InvalidEnvelopeError(f"s3Config.{name} must be a string")
    return config
