# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="WorkerError")


@_attrs_define(kw_only=True)
class WorkerError:
    """The worker's report of an exception in a handler.

    Attributes:
        error_message (str): The exception's text.
        error_type (str | Unset): The exception's class as Python prints it, or its bare name (worker SDK 2.0).
        error_traceback (str | Unset): The traceback, as Python prints it.
        hostname (str | Unset): The worker's host, or `unknown`.
        worker_id (str | Unset): The worker's id, or `unknown`.
        runpod_version (str | Unset): The version of the worker SDK.
        logs (str | Unset): The last 16 KiB that the handler wrote to standard output and standard error.
        event (str | Unset): What failed instead of a handler, `prestart_failed` or `prestart_cancelled`.
        hook (str | Unset): The name of the hook that failed.
    """

    error_message: str
    error_type: str | Unset = UNSET
    error_traceback: str | Unset = UNSET
    hostname: str | Unset = UNSET
    worker_id: str | Unset = UNSET
    runpod_version: str | Unset = UNSET
    logs: str | Unset = UNSET
    event: str | Unset = UNSET
    hook: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        error_message = self.error_message

        error_type = self.error_type

        error_traceback = self.error_traceback

        hostname = self.hostname

        worker_id = self.worker_id

        runpod_version = self.runpod_version

        logs = self.logs

        event = self.event

        hook = self.hook

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "error_message": error_message,
            }
        )
        if error_type is not UNSET:
            field_dict["error_type"] = error_type
        if error_traceback is not UNSET:
            field_dict["error_traceback"] = error_traceback
        if hostname is not UNSET:
            field_dict["hostname"] = hostname
        if worker_id is not UNSET:
            field_dict["worker_id"] = worker_id
        if runpod_version is not UNSET:
            field_dict["runpod_version"] = runpod_version
        if logs is not UNSET:
            field_dict["logs"] = logs
        if event is not UNSET:
            field_dict["event"] = event
        if hook is not UNSET:
            field_dict["hook"] = hook

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        error_message = d.pop("error_message")

        error_type = d.pop("error_type", UNSET)

        error_traceback = d.pop("error_traceback", UNSET)

        hostname = d.pop("hostname", UNSET)

        worker_id = d.pop("worker_id", UNSET)

        runpod_version = d.pop("runpod_version", UNSET)

        logs = d.pop("logs", UNSET)

        event = d.pop("event", UNSET)

        hook = d.pop("hook", UNSET)

        _model = cls(
            error_message=error_message,
            error_type=error_type,
            error_traceback=error_traceback,
            hostname=hostname,
            worker_id=worker_id,
            runpod_version=runpod_version,
            logs=logs,
            event=event,
            hook=hook,
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
