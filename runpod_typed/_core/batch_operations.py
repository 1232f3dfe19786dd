"""The operations on batches: the second part of the seam to the generated client, see `operations`."""

# _get_kwargs is a part of the generated code, and the builders are those of `operations`.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runpod_queue_api import models
from runpod_queue_api.api.batch import (
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
from runpod_queue_api.types import UNSET

from runpod_typed._core.batches import PageReader
from runpod_typed._core.requests import Operation, Request, build_request, describe, with_credentials
from runpod_typed._models.batch_responses import read_batch, read_batch_list, read_change, read_page
from runpod_typed._models.batches import Batch, BatchResult
from runpod_typed._models.retry_policy import OperationKind


# `built` stands alone, as in `operations`: mypy does not see a deprecated function within a call of a generic one.
def _note(batch: Batch) -> str:
    return f"batch {batch.id} was created and is a draft; endpoint.batches.get({batch.id!r}) shows it"


CREATE = describe(create_batch, OperationKind.SUBMIT, read_batch, note=_note)
APPEND = describe(append_batch_requests, OperationKind.SUBMIT, read_change, may_be_empty=True)
FINALIZE = describe(finalize_batch, OperationKind.CANCEL, read_change, may_be_empty=True)
UPDATE = describe(update_batch, OperationKind.CANCEL, read_change, may_be_empty=True)
CANCEL = describe(cancel_batch, OperationKind.CANCEL, read_change, may_be_empty=True)
DELETE_REQUEST = describe(delete_batch_request, OperationKind.CANCEL, read_change, may_be_empty=True)
GET = describe(get_batch, OperationKind.READ, read_batch)
LIST = describe(list_batches, OperationKind.READ, read_batch_list)
LIST_REQUESTS = describe(list_batch_requests, OperationKind.READ, read_page)


def create(endpoint_id: str, bodies: list[models.RunRequest]) -> Request[Batch]:
    """Create a draft."""
    built = create_batch._get_kwargs(endpoint_id, body=bodies)
    uncertain = (
        f"A batch for endpoint {endpoint_id} may have been created. If so, it is a draft: nothing runs and nothing is "
        "paid for until it is finalized. Look for it with endpoint.batches.list(), or create another"
    )
    return with_credentials(bodies, build_request(CREATE, endpoint_id, built))._replace(uncertain=uncertain)


def append(endpoint_id: str, batch_id: str, bodies: list[models.RunRequest]) -> Request[Any]:
    """Add requests to a draft."""
    built = append_batch_requests._get_kwargs(endpoint_id, batch_id, body=models.BatchAppend(requests=bodies))
    uncertain = (
        f"{len(bodies)} requests may have been added to batch {batch_id} of endpoint {endpoint_id}. They were not sent "
        "again, since requests that are in a batch twice are paid for twice. Compare the request_total of "
        f"endpoint.batches.get({batch_id!r}), or cancel the draft and create another: it costs nothing until it is "
        "finalized"
    )
    return with_credentials(bodies, build_request(APPEND, endpoint_id, built))._replace(uncertain=uncertain)


def finalize(endpoint_id: str, batch_id: str) -> Request[Any]:
    """Queue the requests of a draft."""
    built = finalize_batch._get_kwargs(endpoint_id, batch_id)
    return build_request(FINALIZE, endpoint_id, built)


def rename(endpoint_id: str, batch_id: str, name: str) -> Request[Any]:
    """Change the display name."""
    built = update_batch._get_kwargs(endpoint_id, batch_id, body=models.BatchUpdate(name=name))
    return build_request(UPDATE, endpoint_id, built)


def cancel(endpoint_id: str, batch_id: str) -> Request[Any]:
    """Cancel a batch."""
    built = cancel_batch._get_kwargs(endpoint_id, batch_id)
    return build_request(CANCEL, endpoint_id, built)


def delete_request(endpoint_id: str, batch_id: str, request_id: str) -> Request[Any]:
    """Remove a request from a draft."""
    built = delete_batch_request._get_kwargs(endpoint_id, batch_id=batch_id, request_id=request_id)
    return build_request(DELETE_REQUEST, endpoint_id, built)


def get(endpoint_id: str, batch_id: str) -> Request[Batch]:
    """Read a batch."""
    built = get_batch._get_kwargs(endpoint_id, batch_id)
    return build_request(GET, endpoint_id, built)


def list_all(endpoint_id: str, *, offset: int) -> Request[tuple[tuple[Batch, ...], bool]]:
    """Read the batches from an offset on."""
    built = list_batches._get_kwargs(endpoint_id, offset=offset or UNSET)
    return build_request(LIST, endpoint_id, built)


def list_requests(endpoint_id: str, batch_id: str, pages: PageReader) -> Request[Sequence[BatchResult[Any]]]:
    """Read the next page of a batch's requests."""
    built = list_batch_requests._get_kwargs(endpoint_id, batch_id, offset=pages.offset, limit=pages.limit)

    def read(data: object) -> Sequence[BatchResult[Any]]:
        return pages.take(LIST_REQUESTS.read(data))

    taking = Operation(name=LIST_REQUESTS.name, kind=LIST_REQUESTS.kind, read=read)
    return build_request(taking, endpoint_id, built)
