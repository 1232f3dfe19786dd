"""The configuration of a handler that runs in this process."""

import logging
from collections.abc import Callable
from typing import Any, Required, TypedDict, cast

logger = logging.getLogger("runpod_typed.local")

Handler = Callable[[dict[str, Any]], Any]
"""A handler as the worker SDK takes it: a plain, async, generator or async generator function of the job."""


class HandlerConfig(TypedDict, total=False):
    """The dict that `runpod.serverless.start` takes. Other keys of it are accepted and ignored."""

    handler: Required[Handler]
    """The handler."""
    return_aggregate_stream: bool
    """Make the chunks of a generator the job's output too. Without it, that output is `[]`."""
    refresh_worker: bool
    """Replace the worker after each job."""
    concurrency_modifier: Callable[[int], int]
    """Return how many jobs a worker runs at a time, given the present number. For async handlers only."""


def read_config(handler: Handler | HandlerConfig) -> HandlerConfig:
    """Return the configuration for the handler of a `LocalQueue`.

    Raises:
        ValueError: It is neither a function nor a dict with one.
    """
    if callable(handler):
        return {"handler": handler}
    given = cast("object", handler)  # callers may not use a type checker
    if not isinstance(given, dict) or not callable(handler.get("handler")):
        raise ValueError('handler must be a function of the job, or a dict such as {"handler": function}')  # noqa: TRY004
    ignored = handler.keys() - HandlerConfig.__annotations__.keys()
    if ignored:
        logger.info("These keys of the handler's dict have no effect here: %s.", ", ".join(sorted(ignored)))
    return handler
