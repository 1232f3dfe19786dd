# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_batch_request_status import KnownBatchRequestStatus
from ..types import UNSET, Unset, read_date_time

T = TypeVar("T", bound="BatchRequest")


@_attrs_define(kw_only=True)
class BatchRequest:
    """A request in a batch as it stands.

    Attributes:
        id (str): The request's id. Opaque.
        status (KnownBatchRequestStatus | str): The request's state.
        output (Any | Unset): What the handler returned, any JSON.
        error (str | Unset): Why it failed.
        started_at (datetime.datetime | Unset): When a worker took it.
        completed_at (datetime.datetime | Unset): When it finished.
    """

    id: str
    status: KnownBatchRequestStatus | str
    output: Any | Unset = UNSET
    error: str | Unset = UNSET
    started_at: datetime.datetime | Unset = UNSET
    completed_at: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status: str
        if isinstance(self.status, KnownBatchRequestStatus):
            status = self.status.value
        else:
            status = self.status

        output = self.output

        error = self.error

        started_at: str | Unset = UNSET
        if not isinstance(self.started_at, Unset):
            started_at = self.started_at.isoformat()

        completed_at: str | Unset = UNSET
        if not isinstance(self.completed_at, Unset):
            completed_at = self.completed_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )
        if output is not UNSET:
            field_dict["output"] = output
        if error is not UNSET:
            field_dict["error"] = error
        if started_at is not UNSET:
            field_dict["startedAt"] = started_at
        if completed_at is not UNSET:
            field_dict["completedAt"] = completed_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        def _parse_status(data: object) -> KnownBatchRequestStatus | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = KnownBatchRequestStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownBatchRequestStatus | str, data)

        status = _parse_status(d.pop("status"))

        output = d.pop("output", UNSET)

        error = d.pop("error", UNSET)

        _started_at = d.pop("startedAt", UNSET)
        started_at: datetime.datetime | Unset
        if isinstance(_started_at, Unset):
            started_at = UNSET
        else:
            started_at = read_date_time(_started_at)

        _completed_at = d.pop("completedAt", UNSET)
        completed_at: datetime.datetime | Unset
        if isinstance(_completed_at, Unset):
            completed_at = UNSET
        else:
            completed_at = read_date_time(_completed_at)

        _model = cls(
            id=id,
            status=status,
            output=output,
            error=error,
            started_at=started_at,
            completed_at=completed_at,
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
