# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ... import errors
from ... import lazy_httpx as httpx
from ...client import AuthenticatedClient, Client
from ...models.batch import Batch
from ...models.batch_list import BatchList
from ...models.error_body import ErrorBody
from ...types import UNSET, Response, Unset


def _get_kwargs(
    endpoint_id: str,
    *,
    offset: int | Unset = UNSET,
    limit: int | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["offset"] = offset

    params["limit"] = limit

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/{endpoint_id}/batch".format(
            endpoint_id=quote(str(endpoint_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchList | list[Batch] | ErrorBody | str | None:
    if response.status_code == 200:

        def _parse_response_200(data: object) -> BatchList | list[Batch]:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                response_200_type_0 = BatchList.from_dict(data)

                return response_200_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, list):
                raise TypeError()
            response_200_type_1 = []
            _response_200_type_1 = data
            for response_200_type_1_item_data in _response_200_type_1:
                response_200_type_1_item = Batch.from_dict(
                    response_200_type_1_item_data
                )

                response_200_type_1.append(response_200_type_1_item)

            return response_200_type_1

        response_200 = _parse_response_200(response.json())

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
) -> Response[BatchList | list[Batch] | ErrorBody | str]:
    return Response(
        status_code=response.status_code,
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    endpoint_id: str,
    *,
    client: AuthenticatedClient | Client,
    offset: int | Unset = UNSET,
    limit: int | Unset = UNSET,
) -> Response[BatchList | list[Batch] | ErrorBody | str]:
    """List the endpoint's batches

     Newest first.

    Args:
        endpoint_id (str):
        offset (int | Unset):
        limit (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchList | list[Batch] | ErrorBody | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        offset=offset,
        limit=limit,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    endpoint_id: str,
    *,
    client: AuthenticatedClient | Client,
    offset: int | Unset = UNSET,
    limit: int | Unset = UNSET,
) -> BatchList | list[Batch] | ErrorBody | str | None:
    """List the endpoint's batches

     Newest first.

    Args:
        endpoint_id (str):
        offset (int | Unset):
        limit (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchList | list[Batch] | ErrorBody | str
    """

    return sync_detailed(
        endpoint_id=endpoint_id,
        client=client,
        offset=offset,
        limit=limit,
    ).parsed


async def asyncio_detailed(
    endpoint_id: str,
    *,
    client: AuthenticatedClient | Client,
    offset: int | Unset = UNSET,
    limit: int | Unset = UNSET,
) -> Response[BatchList | list[Batch] | ErrorBody | str]:
    """List the endpoint's batches

     Newest first.

    Args:
        endpoint_id (str):
        offset (int | Unset):
        limit (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchList | list[Batch] | ErrorBody | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        offset=offset,
        limit=limit,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    endpoint_id: str,
    *,
    client: AuthenticatedClient | Client,
    offset: int | Unset = UNSET,
    limit: int | Unset = UNSET,
) -> BatchList | list[Batch] | ErrorBody | str | None:
    """List the endpoint's batches

     Newest first.

    Args:
        endpoint_id (str):
        offset (int | Unset):
        limit (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchList | list[Batch] | ErrorBody | str
    """

    return (
        await asyncio_detailed(
            endpoint_id=endpoint_id,
            client=client,
            offset=offset,
            limit=limit,
        )
    ).parsed


def _read_success(status_code: int, data: Any) -> BatchList | list[Batch]:
    """Read the decoded body of a successful response."""

    def _parse_response_200(data: object) -> BatchList | list[Batch]:
        try:
            if not isinstance(data, dict):
                raise TypeError()
            response_200_type_0 = BatchList.from_dict(data)

            return response_200_type_0
        except (TypeError, ValueError, AttributeError, KeyError):
            pass
        if not isinstance(data, list):
            raise TypeError()
        response_200_type_1 = []
        _response_200_type_1 = data
        for response_200_type_1_item_data in _response_200_type_1:
            response_200_type_1_item = Batch.from_dict(response_200_type_1_item_data)

            response_200_type_1.append(response_200_type_1_item)

        return response_200_type_1

    response_200 = _parse_response_200(data)

    return response_200
