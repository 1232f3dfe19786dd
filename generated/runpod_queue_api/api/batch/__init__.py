# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from . import (
    append_batch_requests,
    cancel_batch,
    create_batch,
    delete_batch_request,
    finalize_batch,
    get_batch,
    list_batch_requests,
    list_batches,
    update_batch,
)

__all__ = (
    "append_batch_requests",
    "cancel_batch",
    "create_batch",
    "delete_batch_request",
    "finalize_batch",
    "get_batch",
    "list_batch_requests",
    "list_batches",
    "update_batch",
)
