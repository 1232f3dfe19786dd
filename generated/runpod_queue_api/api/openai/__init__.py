# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from . import list_models

__all__ = ("list_models",)
