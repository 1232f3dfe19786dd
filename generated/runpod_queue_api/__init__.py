# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""A client library for accessing Runpod queue API"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
