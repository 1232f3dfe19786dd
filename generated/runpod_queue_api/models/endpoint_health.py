# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.job_counts import JobCounts
    from ..models.worker_counts import WorkerCounts


T = TypeVar("T", bound="EndpointHealth")


@_attrs_define(kw_only=True)
class EndpointHealth:
    """The counters of an endpoint.

    Attributes:
        jobs (JobCounts | Unset): Jobs of an endpoint, counted. Absent means 0.
        workers (WorkerCounts | Unset): Workers of an endpoint, counted. Absent means 0.
    """

    jobs: JobCounts | Unset = UNSET
    workers: WorkerCounts | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        jobs: dict[str, Any] | Unset = UNSET
        if not isinstance(self.jobs, Unset):
            jobs = self.jobs.to_dict()

        workers: dict[str, Any] | Unset = UNSET
        if not isinstance(self.workers, Unset):
            workers = self.workers.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if jobs is not UNSET:
            field_dict["jobs"] = jobs
        if workers is not UNSET:
            field_dict["workers"] = workers

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _jobs = d.pop("jobs", UNSET)
        jobs: JobCounts | Unset
        if isinstance(_jobs, Unset):
            jobs = UNSET
        else:
            jobs = JobCounts.from_dict(_jobs)

        _workers = d.pop("workers", UNSET)
        workers: WorkerCounts | Unset
        if isinstance(_workers, Unset):
            workers = UNSET
        else:
            workers = WorkerCounts.from_dict(_workers)

        _model = cls(
            jobs=jobs,
            workers=workers,
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


if not TYPE_CHECKING:
    from ..models.job_counts import JobCounts
    from ..models.worker_counts import WorkerCounts
