# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ... import errors
from ... import lazy_httpx as httpx
from ...client import AuthenticatedClient, Client
from ...models.error_body import ErrorBody
from ...models.job import Job
from ...types import Response


def _get_kwargs(
    endpoint_id: str,
    job_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/{endpoint_id}/retry/{job_id}".format(
            endpoint_id=quote(str(endpoint_id), safe=""),
            job_id=quote(str(job_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorBody | Job | str | None:
    if response.status_code == 200:
        response_200 = Job.from_dict(response.json())

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
) -> Response[ErrorBody | Job | str]:
    return Response(
        status_code=response.status_code,
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[ErrorBody | Job | str]:
    """Queue a failed job again

     Puts a job that is `FAILED` or `TIMED_OUT`, and has not expired, back into the queue: same id, same
    input, its previous output removed. What the service answers for a job in another state is not
    documented.

    Args:
        endpoint_id (str):
        job_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorBody | Job | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        job_id=job_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> ErrorBody | Job | str | None:
    """Queue a failed job again

     Puts a job that is `FAILED` or `TIMED_OUT`, and has not expired, back into the queue: same id, same
    input, its previous output removed. What the service answers for a job in another state is not
    documented.

    Args:
        endpoint_id (str):
        job_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorBody | Job | str
    """

    return sync_detailed(
        endpoint_id=endpoint_id,
        job_id=job_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[ErrorBody | Job | str]:
    """Queue a failed job again

     Puts a job that is `FAILED` or `TIMED_OUT`, and has not expired, back into the queue: same id, same
    input, its previous output removed. What the service answers for a job in another state is not
    documented.

    Args:
        endpoint_id (str):
        job_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorBody | Job | str]
    """

    kwargs = _get_kwargs(
        endpoint_id=endpoint_id,
        job_id=job_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    endpoint_id: str,
    job_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> ErrorBody | Job | str | None:
    """Queue a failed job again

     Puts a job that is `FAILED` or `TIMED_OUT`, and has not expired, back into the queue: same id, same
    input, its previous output removed. What the service answers for a job in another state is not
    documented.

    Args:
        endpoint_id (str):
        job_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorBody | Job | str
    """

    return (
        await asyncio_detailed(
            endpoint_id=endpoint_id,
            job_id=job_id,
            client=client,
        )
    ).parsed


def _read_success(status_code: int, data: Any) -> Job:
    """Read the decoded body of a successful response."""
    response_200 = Job.from_dict(data)

    return response_200
