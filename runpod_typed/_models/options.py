"""Options of one job besides its input: the execution policy and the S3 bucket."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from attrs import field, frozen
from attrs.validators import optional
from runpod_queue_api import models, wire
from runpod_queue_api.types import UNSET

from runpod_typed._errors import ConfigurationError
from runpod_typed._models.durations import plain_optional_seconds
from runpod_typed._models.secret import Secret
from runpod_typed._models.user_warnings import warn_caller
from runpod_typed._models.validators import flag, seconds_in, string

_MS = 1000
_LONG_EXECUTION = timedelta(days=1).total_seconds()


@frozen(kw_only=True)
class ExecutionPolicy:
    """Limits and priority of one job. What is None is left to the endpoint's settings.

    Example:
        ``endpoint.run(input, policy=ExecutionPolicy(execution_timeout=900, ttl=3600))``

    Raises:
        ConfigurationError: A value is out of its range, or `ttl` is below `execution_timeout`.
    """

    execution_timeout: float | None = field(
        default=None,
        converter=plain_optional_seconds,
        validator=optional(
            seconds_in(wire.EXECUTION_TIMEOUT_MIN_MS / _MS, wire.EXECUTION_TIMEOUT_MAX_MS / _MS),
        ),
    )
    """Seconds (or a timedelta) that the job may run on a worker, 5 s to 7 days; the default is the endpoint's setting,
    600 s unless changed."""
    ttl: float | None = field(
        default=None,
        converter=plain_optional_seconds,
        validator=optional(seconds_in(wire.TTL_MIN_MS / _MS, wire.TTL_MAX_MS / _MS)),
    )
    """Seconds (or a timedelta) that the job may exist from its submission on, time in the queue included, 10 s to
    7 days; the default is 24 hours. After that it is deleted, even while it runs."""
    low_priority: bool | None = field(default=None, validator=optional(flag))
    """True if the job waits for spare capacity and never makes the endpoint scale up."""

    def __attrs_post_init__(self) -> None:
        if self.execution_timeout is None:
            return
        if self.ttl is not None and self.ttl < self.execution_timeout:
            raise ConfigurationError(
                f"ExecutionPolicy.ttl of {self.ttl:g} s is below execution_timeout of {self.execution_timeout:g} s: "
                "the job would be deleted while it runs. ttl includes the time in the queue."
            )
        if self.execution_timeout > _LONG_EXECUTION:
            warn_caller(
                f"ExecutionPolicy.execution_timeout of {self.execution_timeout:g} s is more than a day. It is in "
                "seconds, not milliseconds: a job that hangs is paid for until then."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as the API takes it, in milliseconds."""
        return policy_model(self).to_dict()


def policy_model(policy: ExecutionPolicy) -> models.ExecutionPolicy:
    """Return the generated model of a policy."""
    model = models.ExecutionPolicy()
    if policy.execution_timeout is not None:
        model.execution_timeout = round(policy.execution_timeout * _MS)
    if policy.ttl is not None:
        model.ttl = round(policy.ttl * _MS)
    if policy.low_priority is not None:
        model.low_priority = policy.low_priority
    return model


def checked_policy(sent: models.ExecutionPolicy) -> models.ExecutionPolicy:
    """Return a policy of a whole request body as `ExecutionPolicy` sends it.

    Raises:
        ConfigurationError: `ExecutionPolicy` refuses a value.
    """
    return policy_model(
        ExecutionPolicy(
            execution_timeout=_in_seconds(sent.execution_timeout),
            ttl=_in_seconds(sent.ttl),
            low_priority=_given(sent.low_priority),
        )
    )


def checked_s3(sent: models.S3Config) -> models.S3Config:
    """Return the bucket of a whole request body as `S3Config` sends it.

    Raises:
        ConfigurationError: `S3Config` refuses a value.
    """
    return s3_model(
        S3Config(
            access_id=sent.access_id,
            access_secret=sent.access_secret,
            bucket_name=sent.bucket_name,
            endpoint_url=sent.endpoint_url,
            object_path=_given(sent.object_path),
        )
    )


def _given(value: Any) -> Any:
    return None if value is UNSET else value


def _in_seconds(milliseconds: Any) -> Any:
    if type(milliseconds) not in {int, float}:
        return _given(milliseconds)  # a validator refuses it
    try:
        return milliseconds / _MS
    except OverflowError:  # an int of more than 308 digits
        return math.inf


def _secret(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


@frozen(kw_only=True, init=False)
class S3Config:
    """An S3 bucket of your own, to which the worker uploads results that are too large for a response.

    It is sent to the worker with the job. The two credentials never appear in a repr, log or pickle; a copy from
    a pickle cannot be sent.

    Example:
        ::

            S3Config(
                access_id="AKIA...",
                access_secret="...",
                bucket_name="results",
                endpoint_url="https://s3.example.com",
            )

    Raises:
        ConfigurationError: A value is not a string, or is empty.
    """

    access_id: Secret = field(validator=string)
    """The id of the access key."""
    access_secret: Secret = field(validator=string)
    """The secret of the access key."""
    bucket_name: str = field(validator=string)
    """The name of the bucket."""
    endpoint_url: str = field(validator=string)
    """The URL of the storage service."""
    object_path: str | None = field(default=None, validator=optional(string))
    """The folder or key prefix in the bucket."""

    def __init__(
        self,
        *,
        access_id: str | Secret,
        access_secret: str | Secret,
        bucket_name: str,
        endpoint_url: str,
        object_path: str | None = None,
    ) -> None:
        access_id, access_secret = _secret(access_id), _secret(access_secret)  # a traceback may show local variables
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] -- attrs makes it
            access_id=access_id,
            access_secret=access_secret,
            bucket_name=bucket_name,
            endpoint_url=endpoint_url,
            object_path=None if object_path == "" else object_path,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as the API takes it, credentials in the clear."""
        return s3_model(self).to_dict()


def s3_model(config: S3Config) -> models.S3Config:
    """Return the generated model of a configuration, credentials in the clear."""
    return models.S3Config(
        access_id=config.access_id.reveal(),
        access_secret=config.access_secret.reveal(),
        bucket_name=config.bucket_name,
        endpoint_url=config.endpoint_url,
        object_path=UNSET if config.object_path is None else config.object_path,
    )
