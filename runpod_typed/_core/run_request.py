"""The body of a submission, from what the caller passes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast, final

from attrs import frozen
from runpod_queue_api import models, wire
from runpod_queue_api.types import UNSET
from typing_extensions import TypeVar

from runpod_typed._codecs.codec import Codec, codec_for, codec_name, explain, first_line
from runpod_typed._codecs.json import PLAIN, Mismatch, NotPlainJSON, to_plain
from runpod_typed._errors import printable
from runpod_typed._models.options import (
    ExecutionPolicy,
    S3Config,
    checked_policy,
    checked_s3,
    policy_model,
    s3_model,
)
from runpod_typed._models.responses import ValidationError, as_object, is_sendable, parse
from runpod_typed.errors import ConfigurationError, InputError

RunRequest = models.RunRequest
T = TypeVar("T")
OptionT = TypeVar("OptionT")


@final
@frozen
class RequestBuilder:
    """Builds the bodies that submit jobs to an endpoint.

    An untyped dict with the key ``input`` is the whole body, as in Runpod's own client.
    """

    codec: Codec[Any]
    typed: bool
    """True if inputs have a declared type."""

    def build(
        self,
        value: object,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> RunRequest:
        """Return the body for one input.

        Raises:
            InputError: The input does not fit its type, is not JSON, or is empty; a whole body has an unknown key; or
                an option is in the body and in the arguments.
        """
        body = None if self.typed else _as_whole_body(value)
        if body is None:
            request = RunRequest(input_=encode_input(self.codec, value))
        else:
            encode_input(self.codec, body[wire.ENVELOPE_INPUT_KEY])
            request = _from_whole_body(body)
            _refuse_twice(
                {
                    "webhook=": (webhook, request.webhook),
                    "policy=": (policy, request.policy),
                    "s3_config=": (s3_config, request.s_3_config),
                }
            )
        _add_options(request, webhook, policy, s3_config)
        if extra is not None:
            request.additional_properties |= _checked_extra(extra)
        return request

    def with_options(
        self, webhook: str | None, policy: ExecutionPolicy | None, s3_config: S3Config | None
    ) -> Callable[[object], RunRequest]:
        """Return `build` with the options of many jobs, which are checked before the first input is read.

        Raises:
            InputError: An option cannot be sent.
        """
        _add_options(RunRequest(input_=None), webhook, policy, s3_config)
        return lambda value: self.build(value, webhook, policy, s3_config)


def _refuse_twice(options: Mapping[str, tuple[object, object]]) -> None:
    twice = [name for name, (argument, field) in options.items() if argument is not None and field is not UNSET]
    if twice:
        raise InputError(f"The input is a whole request body, and {', '.join(twice)} is given too. Pass it once.")


def _add_options(
    request: models.RunRequest, webhook: str | None, policy: ExecutionPolicy | None, s3_config: S3Config | None
) -> None:
    if webhook is not None:
        request.webhook = _checked_webhook(webhook)
    if policy is not None:
        request.policy = policy_model(_checked("policy=", policy, ExecutionPolicy))
    if s3_config is not None:
        request.s_3_config = s3_model(_checked("s3_config=", s3_config, S3Config))


def _checked_extra(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    given: object = extra  # callers without a type checker may pass anything
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise InputError(f"extra_body= must be a dict, not {type(extra).__name__}. Nothing was sent.")
    if not extra:
        return extra
    known = sorted(extra.keys() & wire.ENVELOPE_KEYS)
    if known:
        raise InputError(f"extra_body= has {', '.join(known)}, which has an argument of its own. Nothing was sent.")
    return cast("Mapping[str, Any]", encode_input(PLAIN, dict(extra), subject="extra_body="))


def _checked(name: str, given: object, kind: type[OptionT]) -> OptionT:
    if not isinstance(given, kind):  # callers without a type checker pass a dict, as the API has it
        raise InputError(f"{name} must be {kind.__name__}(...), not {type(given).__name__}. Nothing was sent.")
    return given


def _checked_webhook(webhook: object) -> str:
    if not isinstance(webhook, str):  # callers without a type checker pass bytes, which would be sent as base64
        raise InputError(f"webhook= must be a URL, not {type(webhook).__name__}. Nothing was sent.")
    if not is_sendable(webhook):
        raise InputError("webhook= must be a URL, and has a lone surrogate, which cannot be sent. Nothing was sent.")
    return webhook


def _as_whole_body(value: object) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping) or wire.ENVELOPE_INPUT_KEY not in value:
        return None
    body = cast("Mapping[str, Any]", value)
    _refuse_unknown_keys(body, wire.ENVELOPE_KEYS, "request body", "$")
    return body


def _from_whole_body(body: Mapping[str, Any]) -> models.RunRequest:
    # Our own options have another form on the wire, in other units.
    fields = {
        name: item.to_dict() if isinstance(item, ExecutionPolicy | S3Config) else item for name, item in body.items()
    }
    plain = encode_input(PLAIN, fields, subject="The request body")
    checked = dict[str, Any]()
    for name, item in plain.items():
        try:
            field = parse(models.RunRequest, {wire.ENVELOPE_INPUT_KEY: True, name: item})
            for option, known in ((field.policy, wire.POLICY_KEYS), (field.s_3_config, wire.S3_CONFIG_KEYS)):
                if option is not UNSET:
                    _refuse_unknown_keys(as_object(item, "it"), known, f"request body's {name}", f"$.{name}")
            checked[name] = _checked_item(field, item)
        except (ValidationError, ConfigurationError) as error:
            reason = str(error).removesuffix(".")
            message = f"The request body's {name!r} cannot be used: {reason}. Nothing was sent."
            raise InputError(message, path=f"$.{name}") from None
    return parse(models.RunRequest, checked)


def _given_fields(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields but nulls: the specification may have fields that the classes of the options do not have."""
    return {name: value for name, value in item.items() if value is not None}


def _checked_item(field: models.RunRequest, item: Any) -> Any:
    """Return the JSON of a field, which must pass the checks of the argument that stands for it."""
    if isinstance(field.policy, models.ExecutionPolicy):
        try:
            return _given_fields(item) | checked_policy(field.policy).to_dict()
        except ConfigurationError as error:
            raise ValidationError(f"{error} Times in a request body are milliseconds") from None
    if isinstance(field.s_3_config, models.S3Config):
        return _given_fields(item) | checked_s3(field.s_3_config).to_dict()
    for webhook in (field.webhook, field.webhook_v2):
        if webhook is not UNSET and not isinstance(webhook, str):
            raise ValidationError(f"it must be a URL, not {type(webhook).__name__}")
    return item


def _refuse_unknown_keys(value: Mapping[str, Any], known: Collection[str], what: str, path: str) -> None:
    unknown = next((key for key in value if key not in known), None)
    if unknown is None:
        return
    from difflib import get_close_matches  # noqa: PLC0415 -- only errors need it

    shown = printable(repr(unknown), 60)
    near = get_close_matches(str(unknown), known, n=1)
    fields = f"did you mean {near[0]!r}?" if near else f"it may have {', '.join(map(repr, sorted(known)))}"
    raise InputError(
        f"The input is a dict with the key {wire.ENVELOPE_INPUT_KEY!r}, like a whole request body, and the {what} has "
        f"no field {shown} ({fields}). To send a request body, correct or remove the key. To send the dict as the "
        f"handler's input, wrap it: {{{wire.ENVELOPE_INPUT_KEY!r}: your_dict}}. Nothing was sent.",
        path=path,
    )


def encode_input(codec: Codec[T], value: T, *, subject: str = "The input") -> Any:
    """Return plain JSON to send.

    A typed value must fit its type, but need not be an instance: a dict that fits a dataclass is sent as it is. An
    untyped value must be plain JSON; instances of dataclasses, attrs classes, Structs and pydantic models in it are
    encoded as their class says.

    Raises:
        InputError: The value does not fit its type, is not JSON, or is empty, which no worker would ever see.
    """
    try:
        plain = to_plain(codec.encode(value), _encode_object)
    except Mismatch as exc:
        raise InputError(f"{subject} {explain(codec, exc)}. Nothing was sent.", path=exc.path) from exc.__cause__
    except Exception as exc:
        raise InputError(f"{subject} cannot be encoded: {first_line(codec, exc)}. Nothing was sent.") from exc
    if plain is None or plain in ("", [], {}):
        raise InputError(
            f"{subject} is empty ({plain!r}). The platform drops an empty input before a worker sees it, and the job "
            'ends as a timeout minutes later. Send at least one key, such as {"ping": true}. Nothing was sent.'
        )
    return plain


def _encode_object(value: object) -> Any:
    try:
        codec = codec_for(type(value))
    except ConfigurationError as exc:
        raise NotPlainJSON(str(exc).removesuffix(".")) from exc
    try:
        return codec.encode(value)
    except Mismatch as exc:
        exc.type_name = exc.type_name or codec_name(codec)
        raise
