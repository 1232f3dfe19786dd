# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from . import cancel, get_status, get_status_sync, retry, run, run_sync, stream

__all__ = (
    "cancel",
    "get_status",
    "get_status_sync",
    "retry",
    "run",
    "run_sync",
    "stream",
)
