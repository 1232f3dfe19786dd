"""The specification, read once for all contract tests."""

from typing import Final

from scripts import check_spec
from scripts.spec_document import Operation, SpecDocument, mapping

SPEC: Final = SpecDocument.load(check_spec.ROOT / check_spec.SPEC)
OPERATIONS: Final[dict[str, Operation]] = {found.name: found for found in SPEC.operations() if not found.is_webhook}
SCHEMAS: Final = mapping(SPEC.find(("components", "schemas")))
