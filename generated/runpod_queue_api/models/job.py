# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field
from typing_extensions import deprecated

from ..models.known_job_status import KnownJobStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.error_object import ErrorObject


T = TypeVar("T", bound="Job")


@_attrs_define(kw_only=True)
class Job:
    """A job as it stands. `run`, `cancel` and `retry` answer with `id` and `status` alone.

    Attributes:
        id (str): The job's id. Opaque; a job of `run_sync` starts with `sync-`.
        status (KnownJobStatus | str): The job's state.
        delay_time (int | Unset): How long it waited in the queue, in milliseconds. From the moment a worker has it;
            counted anew when the platform hands it to another worker.
        execution_time (int | Unset): How long it ran, in milliseconds. Once it has finished, and beside progress
            updates.
        output (Any | Unset): Any JSON. Of a `COMPLETED` job, what the handler returned (absent if that was nothing). Of
            a running job, its latest progress update: **not a result**. Of a `FAILED` one, what the handler returned beside
            `error`.
        error (ErrorObject | list[Any] | str | Unset): Why the job failed (a `COMPLETED` job may have one too): the
            worker's report as a string that holds JSON (an exception in a handler), a string with message and traceback (an
            exception in a generator handler), a plain string, or an object or array (what the handler returned under
            `error`).
        worker_id (str | Unset): The worker that has it or had it.
        retries (int | Unset): How often the platform handed it out again; absent means never.
        input_ (Any | Unset): The input it was started with; in webhooks, and in few other answers.
        webhook (str | Unset): The webhook it was started with; in webhooks only.
        gpu (str | Unset): The GPU type it ran on.
    """

    id: str
    status: KnownJobStatus | str
    delay_time: int | Unset = UNSET
    execution_time: int | Unset = UNSET
    output: Any | Unset = UNSET
    error: ErrorObject | list[Any] | str | Unset = UNSET
    worker_id: str | Unset = UNSET
    retries: int | Unset = UNSET
    input_: Any | Unset = UNSET
    webhook: str | Unset = UNSET
    _gpu: str | Unset = _attrs_field(default=UNSET, alias="gpu")
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        status: str
        if isinstance(self.status, KnownJobStatus):
            status = self.status.value
        else:
            status = self.status

        delay_time = self.delay_time

        execution_time = self.execution_time

        output = self.output

        error: dict[str, Any] | list[Any] | str | Unset
        if isinstance(self.error, Unset):
            error = UNSET
        elif isinstance(self.error, ErrorObject):
            error = self.error.to_dict()
        elif isinstance(self.error, list):
            error = self.error

        else:
            error = self.error

        worker_id = self.worker_id

        retries = self.retries

        input_ = self.input_

        webhook = self.webhook

        gpu = self._gpu

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "status": status,
            }
        )
        if delay_time is not UNSET:
            field_dict["delayTime"] = delay_time
        if execution_time is not UNSET:
            field_dict["executionTime"] = execution_time
        if output is not UNSET:
            field_dict["output"] = output
        if error is not UNSET:
            field_dict["error"] = error
        if worker_id is not UNSET:
            field_dict["workerId"] = worker_id
        if retries is not UNSET:
            field_dict["retries"] = retries
        if input_ is not UNSET:
            field_dict["input"] = input_
        if webhook is not UNSET:
            field_dict["webhook"] = webhook
        if gpu is not UNSET:
            field_dict["gpu"] = gpu

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        def _parse_status(data: object) -> KnownJobStatus | str:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = KnownJobStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(KnownJobStatus | str, data)

        status = _parse_status(d.pop("status"))

        delay_time = d.pop("delayTime", UNSET)

        execution_time = d.pop("executionTime", UNSET)

        output = d.pop("output", UNSET)

        def _parse_error(data: object) -> ErrorObject | list[Any] | str | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_2 = ErrorObject.from_dict(data)

                return error_type_2
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                error_type_3 = cast(list[Any], data)

                return error_type_3
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ErrorObject | list[Any] | str | Unset, data)

        error = _parse_error(d.pop("error", UNSET))

        worker_id = d.pop("workerId", UNSET)

        retries = d.pop("retries", UNSET)

        input_ = d.pop("input", UNSET)

        webhook = d.pop("webhook", UNSET)

        gpu = d.pop("gpu", UNSET)

        _model = cls(
            id=id,
            status=status,
            delay_time=delay_time,
            execution_time=execution_time,
            output=output,
            error=error,
            worker_id=worker_id,
            retries=retries,
            input_=input_,
            webhook=webhook,
            gpu=gpu,
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

    @property
    @deprecated("The field `gpu` will be removed from the API.", category=None)
    def gpu(self) -> str | Unset:
        return self._gpu


if not TYPE_CHECKING:
    from ..models.error_object import ErrorObject
