# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="S3Config")


@_attrs_define(kw_only=True)
class S3Config:
    """A bucket the worker may write its results to. Handed to the worker, never answered with.

    Attributes:
        access_id (str): The access key's id.
        access_secret (str): The access key's secret.
        bucket_name (str): The bucket.
        endpoint_url (str): The storage service's URL.
        object_path (str | Unset): Where in the bucket to write.
    """

    access_id: str
    access_secret: str
    bucket_name: str
    endpoint_url: str
    object_path: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        access_id = self.access_id

        access_secret = self.access_secret

        bucket_name = self.bucket_name

        endpoint_url = self.endpoint_url

        object_path = self.object_path

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "accessId": access_id,
                "accessSecret": access_secret,
                "bucketName": bucket_name,
                "endpointUrl": endpoint_url,
            }
        )
        if object_path is not UNSET:
            field_dict["objectPath"] = object_path

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        access_id = d.pop("accessId")

        access_secret = d.pop("accessSecret")

        bucket_name = d.pop("bucketName")

        endpoint_url = d.pop("endpointUrl")

        object_path = d.pop("objectPath", UNSET)

        _model = cls(
            access_id=access_id,
            access_secret=access_secret,
            bucket_name=bucket_name,
            endpoint_url=endpoint_url,
            object_path=object_path,
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
