# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""httpx, imported at its first use: building requests and reading bodies do not need it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx import AsyncClient as AsyncClient
    from httpx import Client as Client
    from httpx import Response as Response
    from httpx import Timeout as Timeout
else:

    def __getattr__(name: str) -> object:
        import httpx  # noqa: PLC0415 -- slow to import

        return getattr(httpx, name)
