# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from enum import StrEnum


class KnownBatchStatus(StrEnum):
    CANCELLED = "CANCELLED"
    DRAFT = "DRAFT"
    FAILED = "FAILED"
    FINALIZED = "FINALIZED"

    def __str__(self) -> str:
        return str(self.value)
