"""What a caller may say about one job besides its input."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen
from attrs.validators import optional
from runpod_queue_api import models, wire
from runpod_queue_api.types import UNSET

from runpod_typed._models.durations import Duration, to_seconds
from runpod_typed._models.secret import Secret
from runpod_typed._models.validation import is_sendable
from runpod_typed.errors import ConfigurationError

_MS = 1000


def _optional_seconds(value: Duration | None) -> float | None:
    return None if value is None else to_seconds(value, "a duration of an ExecutionPolicy")


def _check_flag(_policy: ExecutionPolicy, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"ExecutionPolicy.{attribute.name} must be True or False, and was {value!r}.")


@frozen(kw_only=True)
class ExecutionPolicy:
    """How long a job may run and live, and how urgent it is.

    Source: the vendor's documents, "Send requests", section on execution policies.

    Args:
        execution_timeout: Seconds (or a timedelta) that the job may run on a worker, 5 s to 7 days; the endpoint's
            own setting (600 s by default) holds where it is None.
        ttl: Seconds (or a timedelta) that the job may live in all, counted from its submission, queueing included,
            10 s to 7 days; 24 hours where it is None. A job whose time is over is deleted, even while it runs.
        low_priority: Whether the job waits for spare capacity and never makes the endpoint scale up.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    execution_timeout: float | None = field(default=None, converter=_optional_seconds)
    ttl: float | None = field(default=None, converter=_optional_seconds)
    low_priority: bool | None = field(default=None, validator=_check_flag)

    def __attrs_post_init__(self) -> None:
        _check_range(
            "ExecutionPolicy.execution_timeout",
            self.execution_timeout,
            wire.EXECUTION_TIMEOUT_MIN_MS,
            wire.EXECUTION_TIMEOUT_MAX_MS,
        )
        _check_range("ExecutionPolicy.ttl", self.ttl, wire.TTL_MIN_MS, wire.TTL_MAX_MS)

    def to_dict(self) -> dict[str, Any]:
        """The policy as the API takes it, in milliseconds."""
        return policy_model(self).to_dict()


def policy_model(policy: ExecutionPolicy) -> models.ExecutionPolicy:
    """The policy as the generated client takes it."""
    return models.ExecutionPolicy(
        execution_timeout=UNSET if policy.execution_timeout is None else round(policy.execution_timeout * _MS),
        ttl=UNSET if policy.ttl is None else round(policy.ttl * _MS),
        low_priority=UNSET if policy.low_priority is None else policy.low_priority,
    )


def _check_range(name: str, seconds: float | None, minimum_ms: int, maximum_ms: int) -> None:
    if seconds is not None and not minimum_ms <= seconds * _MS <= maximum_ms:
        raise ConfigurationError(
            f"{name} must be {minimum_ms / _MS:g} s to {maximum_ms / _MS:g} s "
            f"(seconds, not milliseconds), and was {seconds:g} s."
        )


def _hidden(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value or "")


def _check_text(_config: S3Config, attribute: Attribute[Any], value: object) -> None:
    given = value.reveal() if isinstance(value, Secret) else value
    good = isinstance(given, str) and given != "" and is_sendable(given)  # not shown: it may be a secret
    kind = type(given).__name__
    del given  # a traceback may show local variables
    if not good:
        raise ConfigurationError(
            f"What S3Config holds must be texts that are not empty and can be sent, not {kind} ({attribute.name})."
        )


@frozen(kw_only=True, init=False)
class S3Config:
    """Where a worker puts what is too large for an answer: an S3 bucket of the caller's own.

    It goes to the worker with the job and nowhere else. The two credentials show in no repr, log or pickle; a copy from
    a pickle cannot be sent.

    Source: the vendor's JavaScript and Go clients, and its documents until December 2024.

    Args:
        access_id: The access key's id.
        access_secret: The access key's secret.
        bucket_name: The bucket.
        endpoint_url: The storage service's address.
        object_path: The folder or key prefix in the bucket.

    Raises:
        ConfigurationError: One of them is no text, or is empty.
    """

    access_id: Secret = field(validator=_check_text)
    access_secret: Secret = field(validator=_check_text)
    bucket_name: str = field(validator=_check_text)
    endpoint_url: str = field(validator=_check_text)
    object_path: str | None = field(default=None, validator=optional(_check_text))

    def __init__(
        self,
        *,
        access_id: str | Secret,
        access_secret: str | Secret,
        bucket_name: str,
        endpoint_url: str,
        object_path: str | None = None,
    ) -> None:
        identity, secret = _hidden(access_id), _hidden(access_secret)
        del access_id, access_secret  # a traceback may show local variables
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- attrs makes it
            access_id=identity,
            access_secret=secret,
            bucket_name=bucket_name,
            endpoint_url=endpoint_url,
            object_path=object_path or None,
        )

    def to_dict(self) -> dict[str, Any]:
        """The configuration as the API takes it, credentials in the clear."""
        return s3_model(self).to_dict()


def s3_model(config: S3Config) -> models.S3Config:
    """The configuration as the generated client takes it, credentials in the clear."""
    return models.S3Config(
        access_id=config.access_id.reveal(),
        access_secret=config.access_secret.reveal(),
        bucket_name=config.bucket_name,
        endpoint_url=config.endpoint_url,
        object_path=UNSET if config.object_path is None else config.object_path,
    )
