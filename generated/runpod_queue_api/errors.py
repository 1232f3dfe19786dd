# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""Contains shared errors types that can be raised from API functions"""

from __future__ import annotations

from typing import Any

from . import lazy_httpx as httpx
from .wire import ERROR_MESSAGE_KEYS


class UnexpectedStatus(Exception):
    """Raised by api functions when the response status an undocumented status and Client.raise_on_unexpected_status is True"""

    def __init__(self, status_code: int, content: bytes):
        self.status_code = status_code
        self.content = content

        super().__init__(
            f"Unexpected status code: {status_code}\n\nResponse content:\n{content.decode(errors='ignore')}"
        )


def read_error(response: httpx.Response) -> Any:
    """Return the JSON object of an error response, or its text as the message of one."""
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {ERROR_MESSAGE_KEYS[0]: response.text}


__all__ = ["UnexpectedStatus"]
