# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_batch_status import KnownBatchStatus
from ..types import UNSET, Unset

T = TypeVar("T", bound="Batch")


@_attrs_define(kw_only=True)
class Batch:
    """A batch as it stands. `create_batch` answers with `id` and `status` alone.

    Attributes:
        id (str): The batch's id. Opaque.
        status (KnownBatchStatus | str): The batch's state.
        endpoint_id (str | Unset): The endpoint it belongs to.
        name (str | Unset): The display name.
        request_total (int | Unset): Requests in all.
        request_in_progress (int | Unset): Requests that run now.
        request_completed (int | Unset): Requests that are completed.
        request_failed (int | Unset): Requests that have failed. They never fail the batch.
        created_at (int | Unset): When it was created, in milliseconds since 1970.
    """

    id: str
    status: KnownBatchStatus | str
    endpoint_id: str | Unset = UNSET
    name: str | Unset = UNSET
    request_total: int | Unset = UNSET
    request_in_progress: int | Unset = UNSET
    request_completed: int | Unset = UNSET
    request_failed: int | Unset = UNSET
    created_at: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status: str
        if isinstance(self.status, KnownBatchStatus):
            status = self.status.value
        else:
            status = self.status

        endpoint_id = self.endpoint_id

        name = self.name

        request_total = self.request_total

        request_in_progress = self.request_in_progress

        request_completed = self.request_completed

        request_failed = self.request_failed

        created_at = self.created_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )
        if endpoint_id is not UNSET:
            field_dict["endpointId"] = endpoint_id
        if name is not UNSET:
            field_dict["name"] = name
        if request_total is not UNSET:
            field_dict["requestTotal"] = request_total
        if request_in_progress is not UNSET:
            field_dict["requestInProgress"] = request_in_progress
        if request_completed is not UNSET:
            field_dict["requestCompleted"] = request_completed
        if request_failed is not UNSET:
            field_dict["requestFailed"] = request_failed
        if created_at is not UNSET:
            field_dict["createdAt"] = created_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        def _parse_status(data: object) -> KnownBatchStatus | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = KnownBatchStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownBatchStatus | str, data)

        status = _parse_status(d.pop("status"))

        endpoint_id = d.pop("endpointId", UNSET)

        name = d.pop("name", UNSET)

        request_total = d.pop("requestTotal", UNSET)

        request_in_progress = d.pop("requestInProgress", UNSET)

        request_completed = d.pop("requestCompleted", UNSET)

        request_failed = d.pop("requestFailed", UNSET)

        created_at = d.pop("createdAt", UNSET)

        _model = cls(
            id=id,
            status=status,
            endpoint_id=endpoint_id,
            name=name,
            request_total=request_total,
            request_in_progress=request_in_progress,
            request_completed=request_completed,
            request_failed=request_failed,
            created_at=created_at,
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
