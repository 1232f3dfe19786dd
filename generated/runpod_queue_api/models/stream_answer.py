# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.known_job_status import KnownJobStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.error_object import ErrorObject
    from ..models.stream_chunk import StreamChunk


T = TypeVar("T", bound="StreamAnswer")


@_attrs_define(kw_only=True)
class StreamAnswer:
    """The chunks a job has yielded since the last call, and its state.

    Attributes:
        id (str | Unset): The job's id.
        status (KnownJobStatus | str | Unset): The job's state. With a final one, the chunks are the last.
        delay_time (int | Unset): How long the job waited in the queue, in milliseconds.
        stream (list[StreamChunk] | Unset): The chunks, oldest first; absent means none.
        error (ErrorObject | str | Unset): Why the job failed, in the forms of a job's `error`, should the service send
            it here.
    """

    id: str | Unset = UNSET
    status: KnownJobStatus | str | Unset = UNSET
    delay_time: int | Unset = UNSET
    stream: list[StreamChunk] | Unset = UNSET
    error: ErrorObject | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status: str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, KnownJobStatus):
            status = self.status.value
        else:
            status = self.status

        delay_time = self.delay_time

        stream: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.stream, Unset):
            stream = []
            for stream_item_data in self.stream:
                stream_item = stream_item_data.to_dict()
                stream.append(stream_item)

        error: dict[str, Any] | str | Unset
        if isinstance(self.error, Unset):
            error = UNSET
        elif isinstance(self.error, ErrorObject):
            error = self.error.to_dict()
        else:
            error = self.error

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if id is not UNSET:
            field_dict["id"] = id
        if status is not UNSET:
            field_dict["status"] = status
        if delay_time is not UNSET:
            field_dict["delayTime"] = delay_time
        if stream is not UNSET:
            field_dict["stream"] = stream
        if error is not UNSET:
            field_dict["error"] = error

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id", UNSET)

        def _parse_status(data: object) -> KnownJobStatus | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = KnownJobStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownJobStatus | str | Unset, data)

        status = _parse_status(d.pop("status", UNSET))

        delay_time = d.pop("delayTime", UNSET)

        _stream = d.pop("stream", UNSET)
        stream: list[StreamChunk] | Unset = UNSET
        if _stream is not UNSET:
            stream = []
            for stream_item_data in _stream:
                stream_item = StreamChunk.from_dict(stream_item_data)

                stream.append(stream_item)

        def _parse_error(data: object) -> ErrorObject | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_1 = ErrorObject.from_dict(data)

                return error_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ErrorObject | str | Unset, data)

        error = _parse_error(d.pop("error", UNSET))

        _model = cls(
            id=id,
            status=status,
            delay_time=delay_time,
            stream=stream,
            error=error,
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
    from ..models.error_object import ErrorObject
    from ..models.stream_chunk import StreamChunk
