# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.run_request import RunRequest


T = TypeVar("T", bound="BatchAppend")


@_attrs_define(kw_only=True)
class BatchAppend:
    """Requests to add to a draft.

    Attributes:
        requests (list[RunRequest]): Requests of a batch, each as for `run`; may be empty.
    """

    requests: list[RunRequest]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        requests = []
        for componentsschemas_batch_requests_item_data in self.requests:
            componentsschemas_batch_requests_item = (
                componentsschemas_batch_requests_item_data.to_dict()
            )
            requests.append(componentsschemas_batch_requests_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "requests": requests,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        requests = []
        _requests = d.pop("requests")
        for componentsschemas_batch_requests_item_data in _requests:
            componentsschemas_batch_requests_item = RunRequest.from_dict(
                componentsschemas_batch_requests_item_data
            )

            requests.append(componentsschemas_batch_requests_item)

        _model = cls(
            requests=requests,
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
    from ..models.run_request import RunRequest
