"""The options of calls, which each client, endpoint and job may have."""

from __future__ import annotations

from datetime import timedelta

from attrs import field, frozen

from runpod_typed._models.durations import Duration, plain_seconds
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.validators import instance_of, seconds, warn_caller

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
    leave_outputs: bool = False
    """Whether outputs stay JSON text, which their codec decodes."""

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
            leave_outputs=self.leave_outputs,
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
