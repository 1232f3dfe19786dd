"""How calls are made: the options that each client, endpoint and job may have."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from attrs import Attribute, field, frozen

from runpod_typed._models.durations import Duration, to_seconds
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed.errors import ConfigurationError

DEFAULT_TIMEOUT = 30.0


def _timeout(value: Duration) -> float:
    seconds = to_seconds(value, "timeout")
    if seconds == 0 or math.isinf(seconds):
        raise ConfigurationError(f"The timeout of one HTTP attempt must be above 0 and finite, and was {seconds:g} s.")
    return seconds


def _must_be(kind: type) -> Callable[[object, Attribute[Any], object], None]:
    """A validator for callers without a type checker: what is of another kind would fail at the first request."""

    def check(_instance: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}= must be a {kind.__name__}, not {type(value).__name__}.")

    return check


@frozen(kw_only=True, cache_hash=True)  # what follows from it is looked up at each wait
class CallConfig:
    """How calls are made; each client, endpoint and job may have its own."""

    timeout: float = field(converter=_timeout)
    retry: RetryPolicy = field(validator=_must_be(RetryPolicy))
    poll: PollPolicy = field(validator=_must_be(PollPolicy))
    rate_limits: RateLimits = field(validator=_must_be(RateLimits))
    leave_outputs: bool = False
    """Whether outputs are left as text, since their codec decodes them from it."""

    def but(
        self,
        *,
        timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        rate_limits: RateLimits | None = None,
    ) -> CallConfig:
        """A copy with other options; None keeps one as it is."""
        return CallConfig(
            timeout=self.timeout if timeout is None else timeout,
            retry=self.retry if retry is None else retry,
            poll=self.poll if poll is None else poll,
            rate_limits=self.rate_limits if rate_limits is None else rate_limits,
            leave_outputs=self.leave_outputs,
        )


DEFAULT_CALL_CONFIG = CallConfig(
    timeout=DEFAULT_TIMEOUT, retry=RetryPolicy(), poll=PollPolicy(), rate_limits=RateLimits()
)
