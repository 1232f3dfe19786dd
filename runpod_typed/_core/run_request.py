"""From what a caller passes to the body of a submission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from runpod_queue_api import models, wire
from runpod_queue_api.types import UNSET

from runpod_typed._codecs.codec import UNTYPED, Codec, codec_for, encode_input
from runpod_typed._models.options import ExecutionPolicy, S3Config, policy_model, s3_model
from runpod_typed._models.validation import ValidationError, is_sendable, parse
from runpod_typed.errors import InputError

RunRequest = models.RunRequest


def build_run_request(
    value: object,
    input_codec: Codec[Any],
    *,
    typed: bool,
    webhook: str | None,
    policy: ExecutionPolicy | None,
    s3_config: S3Config | None,
    extra: Mapping[str, Any] | None = None,
) -> models.RunRequest:
    """The body that submits a job.

    A dict that holds only fields of the body, the input among them, is the whole body, as Runpod's own client has it; a
    typed input never is.

    Raises:
        InputError: The input does not fit its type, is no JSON, is empty, or an option stands in the envelope and in
            the arguments.
    """
    envelope = None if typed else _as_envelope(value)
    plain = encode_input(input_codec, value if envelope is None else envelope[wire.ENVELOPE_INPUT_KEY])
    request = models.RunRequest(input_=plain) if envelope is None else _from_envelope(envelope)
    given = {
        "webhook=": (webhook, request.webhook),
        "policy=": (policy, request.policy),
        "s3_config=": (s3_config, request.s_3_config),
    }
    twice = [name for name, (argument, field) in given.items() if argument is not None and field is not UNSET]
    if twice:
        raise InputError(
            f"The input is a whole request body, and {', '.join(twice)} is given besides. Say it in one place."
        )
    if webhook is not None:
        request.webhook = _checked_webhook(webhook)
    if policy is not None:
        _check_kind("policy=", policy, ExecutionPolicy)
        request.policy = policy_model(policy)
    if s3_config is not None:
        _check_kind("s3_config=", s3_config, S3Config)
        request.s_3_config = s3_model(s3_config)
    if extra:
        request.additional_properties |= _checked_extra(extra)
    return request


def _checked_extra(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    known = sorted(extra.keys() & wire.ENVELOPE_KEYS)
    if known:
        raise InputError(f"extra_body= has {', '.join(known)}, which has an argument of its own. Nothing was sent.")
    return cast("Mapping[str, Any]", encode_input(codec_for(UNTYPED), dict(extra), what="extra_body="))


def _check_kind(name: str, given: object, kind: type) -> None:
    if not isinstance(given, kind):  # what callers without a type checker pass: a dict, as the API has it
        raise InputError(f"{name} must be {kind.__name__}(...), not {type(given).__name__}. Nothing was sent.")


def _checked_webhook(webhook: str) -> str:
    given: object = webhook  # what callers without a type checker pass: bytes would be sent, in base64
    if not isinstance(given, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise InputError(f"webhook= must be a URL, not {type(webhook).__name__}. Nothing was sent.")
    if not is_sendable(webhook):
        raise InputError("webhook= must be a URL, and has a lone surrogate, which cannot be sent. Nothing was sent.")
    return webhook


def _as_envelope(value: object) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    envelope = cast("Mapping[str, Any]", value)
    keys = envelope.keys()
    return envelope if wire.ENVELOPE_INPUT_KEY in keys and keys <= wire.ENVELOPE_KEYS else None


def _from_envelope(envelope: Mapping[str, Any]) -> models.RunRequest:
    # Our own options have another form on the wire, in other units.
    fields = {
        name: item.to_dict() if isinstance(item, ExecutionPolicy | S3Config) else item
        for name, item in envelope.items()
    }
    plain = encode_input(codec_for(UNTYPED), fields, what="request body")
    for name, item in plain.items():
        try:
            parse(models.RunRequest, {wire.ENVELOPE_INPUT_KEY: True, name: item})
        except ValidationError as error:
            raise InputError(f"The request body's {name!r} cannot be used: {error}.", path=f"$.{name}") from None
    return parse(models.RunRequest, plain)
