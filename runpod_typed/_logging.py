"""The log of the package: logger ``runpod_typed``.

INFO has one line for each retry, wait for a rate limit, 429, outage and end of a job; DEBUG one for each request.
Lines never hold the API key, an input or an output. ``RUNPOD_TYPED_LOG=debug`` (or ``info``) prints them to stderr.
"""

from __future__ import annotations

import logging
import os
import warnings

logger = logging.getLogger("runpod_typed")

_VARIABLE = "RUNPOD_TYPED_LOG"
_LEVELS = {logging.getLevelName(level).lower(): level for level in (logging.DEBUG, logging.INFO, logging.WARNING)}


def configure_from_environment() -> None:
    """Print the log if ``RUNPOD_TYPED_LOG`` names a level."""
    name = os.environ.get(_VARIABLE, "").strip().lower()
    if not name:
        return
    if name not in _LEVELS:
        warnings.warn(f"{_VARIABLE}={name!r} is not one of {', '.join(_LEVELS)}.", UserWarning, stacklevel=2)
        return
    handler = logging.StreamHandler()
    handler.addFilter(lambda _: not logging.getLogger().handlers)  # unless the program has configured logging itself
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(_LEVELS[name])
