# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from . import get_health, get_metrics, get_requests, purge_queue

__all__ = ("get_health", "get_metrics", "get_requests", "purge_queue")
