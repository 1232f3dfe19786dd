"""The options of calls, which each client, endpoint and job may have."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any, Self

from attrs import field, frozen

from runpod_typed._models.durations import Duration, plain_seconds
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.user_warnings import warn_caller
from runpod_typed._models.validators import instance_of, seconds

DEFAULT_TIMEOUT = 30.0
_LONG_TIMEOUT = timedelta(hours=1).total_seconds()


@frozen(kw_only=True, cache_hash=True)
class CallConfig:
    """The options of calls."""

    timeout: float = field(
        default=DEFAULT_TIMEOUT, converter=plain_seconds, validator=seconds(above_zero=True, finite=True)
    )
    retry: RetryPolicy = field(default=RetryPolicy(), validator=instance_of(RetryPolicy))
    poll: PollPolicy = field(default=PollPolicy(), validator=instance_of(PollPolicy))
    rate_limits: RateLimits = field(default=RateLimits(), validator=instance_of(RateLimits))

    def replace(
        self,
        *,
        timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        rate_limits: RateLimits | None = None,
    ) -> CallConfig:
        """Return a copy with other options; None keeps the current value."""
        config = CallConfig(
            timeout=self.timeout if timeout is None else timeout,
            retry=self.retry if retry is None else retry,
            poll=self.poll if poll is None else poll,
            rate_limits=self.rate_limits if rate_limits is None else rate_limits,
        )
        if timeout is not None:
            config.warn_of_long_timeout()
        return config

    def warn_of_long_timeout(self) -> None:
        """Warn if an attempt may last unusually long."""
        if self.timeout > _LONG_TIMEOUT:
            warn_caller(
                f"timeout of {self.timeout:g} s is more than an hour for one HTTP attempt. It is in seconds. "
                "Time limits of jobs are passed to output(timeout=) and ExecutionPolicy."
            )


DEFAULT_CALL_CONFIG = CallConfig()


class HasOptions:
    """A client, endpoint or job: its calls have options."""

    __slots__ = ()

    _config: CallConfig
    _owned: Any = None
    """The connections that close with it."""

    def with_options(
        self,
        *,
        timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        rate_limits: RateLimits | None = None,
    ) -> Self:
        """Return a copy with other options. It shares the connections, and closing it does nothing.

        Example:
            ``client.with_options(timeout=60, retry=RetryPolicy.disabled())``

        Args:
            timeout: Seconds (or a timedelta) that one HTTP attempt may last, above 0; None keeps the current value.
            retry: Which failed calls are repeated, how often and for how long.
            poll: Polling settings.
            rate_limits: The rate limits that the client keeps.

        Raises:
            ConfigurationError: A value is out of its range.
        """
        copy = object.__new__(type(self))
        for name, value in _attributes(self).items():
            if name != "_owned":
                object.__setattr__(copy, name, value)  # a subclass may be frozen
        config = self._config.replace(timeout=timeout, retry=retry, poll=poll, rate_limits=rate_limits)
        object.__setattr__(copy, "_config", config)
        return copy

    def __copy__(self) -> Self:
        return self.with_options()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copy = memo[id(self)] = self.with_options()  # a pickle of a job has no types, and connections cannot be copied
        for name, value in _attributes(self).items():
            if name not in _SHARED:
                object.__setattr__(copy, name, deepcopy(value, memo))
        return copy


_SHARED = frozenset({"_codecs", "_config", "_executor", "_id", "_input", "_owned", "_poller"})
"""The attributes of this library's classes; all others belong to subclasses."""


def _attributes(instance: object) -> Mapping[str, Any]:
    state: Any = object.__getstate__(instance)  # the attributes; a pair if there are slots
    parts: tuple[Any, ...] = state if isinstance(state, tuple) else (state,)  # pyright: ignore[reportUnknownVariableType] -- of Any
    return {name: value for part in parts if part for name, value in part.items()}
