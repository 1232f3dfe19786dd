# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ... import errors
from ... import lazy_httpx as httpx
from ...client import AuthenticatedClient, Client
from ...models.batch_acknowledgement import BatchAcknowledgement
from ...models.batch_append import BatchAppend
from ...models.error_body import ErrorBody
from ...types import Response


def _get_kwargs(
    endpoint_id: str,
    batch_id: str,
    *,
    body: BatchAppend,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/{endpoint_id}/batch/{batch_id}/requests".format(
            endpoint_id=quote(str(endpoint_id), safe=""),
            batch_id=quote(str(batch_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchAcknowledgement | ErrorBody | str | None:
    if response.status_code == 200:
        response_200 = BatchAcknowledgement.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ErrorBody.from_dict(errors.read_error(response))

        return response_400

    if response.status_code == 401:
        response_401 = ErrorBody.from_dict(errors.read_error(response))

        return response_401

    if response.status_code == 404:
        response_404 = ErrorBody.from_dict(errors.read_error(response))

        return response_404

    if response.status_code == 413:
        response_413 = ErrorBody.from_dict(errors.read_error(response))

        return response_413

    if response.status_code == 429:
        response_429 = ErrorBody.from_dict(errors.read_error(response))

        return response_429

    if response.status_code == 500:
        response_500 = ErrorBody.from_dict(errors.read_error(response))

        return response_500

    if response.status_code == 502:
        response_502 = response.text
        return response_502

    if 400 <= response.status_code <= 499:
        response_4xx = ErrorBody.from_dict(errors.read_error(response))

        return response_4xx

    if 500 <= response.status_code <= 599:
        response_5xx = response.text
        return response_5xx

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[BatchAcknowledgement | ErrorBody | str]:
    return Response(
        status_code=response.status_code,
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchAppend,
) -> Response[BatchAcknowledgement | ErrorBody | str]:
    """Add requests to a draft

     Only while the batch is a `DRAFT`; up to 10 MiB a call.

    Args:
        endpoint_id (str):
        batch_id (str):
        body (BatchAppend): Requests to add to a draft.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchAcknowledgement | ErrorBody | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        batch_id=batch_id,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchAppend,
) -> BatchAcknowledgement | ErrorBody | str | None:
    """Add requests to a draft

     Only while the batch is a `DRAFT`; up to 10 MiB a call.

    Args:
        endpoint_id (str):
        batch_id (str):
        body (BatchAppend): Requests to add to a draft.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchAcknowledgement | ErrorBody | str
    """

    return sync_detailed(
        endpoint_id=endpoint_id,
        batch_id=batch_id,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchAppend,
) -> Response[BatchAcknowledgement | ErrorBody | str]:
    """Add requests to a draft

     Only while the batch is a `DRAFT`; up to 10 MiB a call.

    Args:
        endpoint_id (str):
        batch_id (str):
        body (BatchAppend): Requests to add to a draft.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchAcknowledgement | ErrorBody | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        batch_id=batch_id,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    endpoint_id: str,
    batch_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: BatchAppend,
) -> BatchAcknowledgement | ErrorBody | str | None:
    """Add requests to a draft

     Only while the batch is a `DRAFT`; up to 10 MiB a call.

    Args:
        endpoint_id (str):
        batch_id (str):
        body (BatchAppend): Requests to add to a draft.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchAcknowledgement | ErrorBody | str
    """

    return (
        await asyncio_detailed(
            endpoint_id=endpoint_id,
            batch_id=batch_id,
            client=client,
            body=body,
        )
    ).parsed


def _read_success(status_code: int, data: Any) -> BatchAcknowledgement:
    """Read the decoded body of a successful response."""
    response_200 = BatchAcknowledgement.from_dict(data)

    return response_200
