# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ExecutionPolicy")


@_attrs_define(kw_only=True)
class ExecutionPolicy:
    """How long a job may run and live, and how urgent it is. Overrides the endpoint's settings.

    Attributes:
        execution_timeout (int | Unset): How long it may run, in milliseconds, 5 s to 7 days. Left out, the endpoint's
            setting or 10 minutes.
        ttl (int | Unset): How long it may live, from its submission on, in milliseconds, 10 s to 7 days. Left out, 24
            hours. A job that outlives it is deleted, even while it runs, and answered with 404 from then on.
        low_priority (bool | Unset): Do not scale up for this job; run it when nothing more urgent waits.
    """

    execution_timeout: int | Unset = UNSET
    ttl: int | Unset = UNSET
    low_priority: bool | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        execution_timeout = self.execution_timeout

        ttl = self.ttl

        low_priority = self.low_priority

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if execution_timeout is not UNSET:
            field_dict["executionTimeout"] = execution_timeout
        if ttl is not UNSET:
            field_dict["ttl"] = ttl
        if low_priority is not UNSET:
            field_dict["lowPriority"] = low_priority

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        execution_timeout = d.pop("executionTimeout", UNSET)

        ttl = d.pop("ttl", UNSET)

        low_priority = d.pop("lowPriority", UNSET)

        _model = cls(
            execution_timeout=execution_timeout,
            ttl=ttl,
            low_priority=low_priority,
        )

        _model.additional_properties = d
        return _model

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
