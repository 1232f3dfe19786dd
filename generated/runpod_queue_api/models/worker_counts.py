# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="WorkerCounts")


@_attrs_define(kw_only=True)
class WorkerCounts:
    """Workers of an endpoint, counted. Absent means 0.

    Attributes:
        idle (int | Unset): Waiting for a job.
        initializing (int | Unset): Starting.
        ready (int | Unset): Able to take a job at once; the same as `idle` wherever both were captured.
        running (int | Unset): Running a job.
        throttled (int | Unset): Waiting for a machine that is free.
        unhealthy (int | Unset): Failing their checks.
    """

    idle: int | Unset = UNSET
    initializing: int | Unset = UNSET
    ready: int | Unset = UNSET
    running: int | Unset = UNSET
    throttled: int | Unset = UNSET
    unhealthy: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        idle = self.idle

        initializing = self.initializing

        ready = self.ready

        running = self.running

        throttled = self.throttled

        unhealthy = self.unhealthy

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if idle is not UNSET:
            field_dict["idle"] = idle
        if initializing is not UNSET:
            field_dict["initializing"] = initializing
        if ready is not UNSET:
            field_dict["ready"] = ready
        if running is not UNSET:
            field_dict["running"] = running
        if throttled is not UNSET:
            field_dict["throttled"] = throttled
        if unhealthy is not UNSET:
            field_dict["unhealthy"] = unhealthy

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        idle = d.pop("idle", UNSET)

        initializing = d.pop("initializing", UNSET)

        ready = d.pop("ready", UNSET)

        running = d.pop("running", UNSET)

        throttled = d.pop("throttled", UNSET)

        unhealthy = d.pop("unhealthy", UNSET)

        _model = cls(
            idle=idle,
            initializing=initializing,
            ready=ready,
            running=running,
            throttled=throttled,
            unhealthy=unhealthy,
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
