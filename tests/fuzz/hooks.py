"""Keeps what is generated on this machine."""

from __future__ import annotations

from typing import Any

import schemathesis

NOWHERE = "http://127.0.0.1:9/hook"  # the discard port: nobody listens


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Send every webhook that was asked for to this machine."""
    _keep_here(case.body)


def _keep_here(value: Any) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("webhook"), str):
            value["webhook"] = NOWHERE
        for item in value.values():
            _keep_here(item)
    elif isinstance(value, list):
        for item in value:
            _keep_here(item)
