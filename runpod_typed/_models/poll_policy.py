"""Polling settings: long polling, the pauses between polls, and the outage that a wait survives."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, field, frozen

from runpod_typed._errors import ConfigurationError
from runpod_typed._models.durations import plain_seconds
from runpod_typed._models.validators import flag, seconds


def _check_jitter(_policy: PollPolicy, _attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigurationError(f"PollPolicy.jitter must be 0 to 1, not {value!r}.")


@frozen(kw_only=True)
class PollPolicy:
    """Polling settings of waits, streams and events.

    Example:
        ``Client(poll=PollPolicy(max_outage=3600))``

    Raises:
        ConfigurationError: A value is out of its range.
    """

    long_poll: bool = field(default=True, validator=flag)
    """True to let the server delay its response until the job has finished. If the server does not support that, the
    client polls at intervals."""
    min_interval: float = field(default=0.05, converter=plain_seconds, validator=seconds(above_zero=True, finite=True))
    """The shortest pause without long polling, in seconds (or a timedelta); above 0."""
    max_interval: float = field(default=15.0, converter=plain_seconds, validator=seconds(above_zero=True, finite=True))
    """The longest pause without long polling, in seconds (or a timedelta); not below `min_interval`. Between the two, a
    pause is a fifth of the time that the wait has lasted."""
    jitter: float = field(default=0.1, validator=_check_jitter)
    """The share by which a pause varies at random, up and down; 0 to 1. It spreads the polls of many waiters."""
    max_outage: float = field(default=600.0, converter=plain_seconds, validator=seconds())
    """The seconds (or a timedelta) of connection errors, 429 and 5xx in a row that a wait without ``timeout=``
    survives; 0 or more, and ``math.inf`` for no limit. A ``timeout=`` takes its place."""

    def __attrs_post_init__(self) -> None:
        if self.min_interval > self.max_interval:
            raise ConfigurationError(
                f"PollPolicy.min_interval must not be above max_interval: {self.min_interval:g} s is above "
                f"{self.max_interval:g} s."
            )

    @classmethod
    def disabled(cls) -> PollPolicy:
        """Return a policy without long polling: the client polls at intervals."""
        return cls(long_poll=False)
