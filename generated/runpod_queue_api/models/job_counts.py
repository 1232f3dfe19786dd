# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="JobCounts")


@_attrs_define(kw_only=True)
class JobCounts:
    """Jobs of an endpoint, counted. Absent means 0.

    Attributes:
        completed (int | Unset): Completed, since the endpoint exists.
        failed (int | Unset): Failed, since the endpoint exists.
        in_progress (int | Unset): Running now.
        in_queue (int | Unset): Waiting now.
        retried (int | Unset): Handed out again, since the endpoint exists.
    """

    completed: int | Unset = UNSET
    failed: int | Unset = UNSET
    in_progress: int | Unset = UNSET
    in_queue: int | Unset = UNSET
    retried: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        completed = self.completed

        failed = self.failed

        in_progress = self.in_progress

        in_queue = self.in_queue

        retried = self.retried

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if completed is not UNSET:
            field_dict["completed"] = completed
        if failed is not UNSET:
            field_dict["failed"] = failed
        if in_progress is not UNSET:
            field_dict["inProgress"] = in_progress
        if in_queue is not UNSET:
            field_dict["inQueue"] = in_queue
        if retried is not UNSET:
            field_dict["retried"] = retried

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        completed = d.pop("completed", UNSET)

        failed = d.pop("failed", UNSET)

        in_progress = d.pop("inProgress", UNSET)

        in_queue = d.pop("inQueue", UNSET)

        retried = d.pop("retried", UNSET)

        _model = cls(
            completed=completed,
            failed=failed,
            in_progress=in_progress,
            in_queue=in_queue,
            retried=retried,
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
