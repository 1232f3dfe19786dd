from __future__ import annotations

import gzip
import pickle
import re
from typing import Any, Final

import pytest
from attrs import evolve
from runpod_queue_api import wire

from runpod_typed._codecs.json import JSONText
from runpod_typed._models.jobs import output_of
from runpod_typed._models.secret import Secret
from runpod_typed._transport.bodies import ResponseBody
from runpod_typed._transport.connection import BaseUrl
from runpod_typed._transport.messages import HttpResponse, TransportFailure
from runpod_typed.errors import (
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
)
from tests.core.calls import CONNECTION, GOOD, KEY, NOW, REQUESTS, answer, call_of, error, result

# Statuses

CLASSES: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    **dict.fromkeys([500, 501, 502, 503, 504, 511, *range(520, 531), 599, 600, 999], ServerError),
    **dict.fromkeys([100, 199, 300, 301, 304, 307, 402, 405, 408, 410, 415, 418, 451, 499], APIStatusError),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(("status", "raised"), CLASSES.items())
def test_each_status_has_its_class(name: str, status: int, raised: type[APIStatusError]) -> None:
    found = error(name, answer({"error": "the reason"}, status))
    assert type(found) is raised
    assert (found.status_code, found.body) == (status, {"error": "the reason"})
    assert f"failed with {status}: the reason." in found.message
    assert found.operation == name


@pytest.mark.parametrize("status", [200, 201, 202, 206, 226, 299])
@pytest.mark.parametrize("name", REQUESTS)
def test_each_success_is_read(name: str, status: int) -> None:
    assert not isinstance(result(name, answer(GOOD[name], status)), Exception)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "RUNPOD_API_KEY"),
        (403, "permissions"),
        (404, "endpoint id 'ep'"),
        (413, "storage"),
        (429, "fewer requests"),
        (502, "try again later."),
        (302, "Redirects are not followed"),
    ],
)
def test_an_error_says_what_to_do(status: int, words: str) -> None:
    assert words in error("get_status", answer(b"", status)).message


@pytest.mark.parametrize(
    "words",
    [
        "json is invalid; max size is 2 MB",
        "Request Entity Too Large",
        "payload too large",
        "body is too large",
        "input exceeds the maximum size",
        "request exceeds 10 MiB",
    ],
)
def test_too_large_is_read_from_the_body_at_any_status(words: str) -> None:
    assert type(error("run", answer({"error": words}, 400))) is PayloadTooLargeError


@pytest.mark.parametrize(
    "words", ["bad request: ttl exceeds its maximum", "wait is too large", "json is invalid", "exceeds the limit"]
)
def test_other_things_that_are_too_large_are_not_the_body(words: str) -> None:
    assert type(error("run", answer({"error": words}, 400))) is BadRequestError


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("soon", None), (None, None)])
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_the_server_asks_to_wait_is_known(status: int, header: str | None, seconds: float | None) -> None:
    found = error("run", answer(b"", status, {} if header is None else {wire.RETRY_AFTER_HEADERS[0]: header}))
    assert found.retry_after == seconds
    assert ("The server asks to wait" in found.message) is (seconds is not None)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"X-Request-ID": "r-1", "CF-Ray": "c-1"}, "r-1"),
        ({"cf-ray": "c-1"}, "c-1"),
        ({"x-request-id": "", "traceparent": "t-1"}, "t-1"),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [200, 404, 502])
def test_the_request_s_id_stands_in_the_error(headers: dict[str, str], request_id: str | None, status: int) -> None:
    found = error("get_status", answer(b"<html>", status, headers))
    assert found.request_id == request_id
    assert ("[request id" in found.message) is (request_id is not None)
    assert ("to support" in found.message) is (request_id is not None and status >= 500)
    assert request_id is None or f"[request id {request_id}]" in found.message


def test_error_has_headers_of_the_response_only() -> None:
    found = error("get_status", answer(b"", 500, {"Server": "edge"}))
    assert found.headers == {"server": "edge"}
    assert KEY not in repr(found.__dict__)


@pytest.mark.parametrize(("base", "named"), [("/v2", False), ("", True), ("/v2/ep", True), ("/v1", True)])
def test_404_names_a_base_url_without_the_apis_path(base: str, *, named: bool) -> None:
    base_url = BaseUrl(scheme="https", host="api.example", port=None, path=base)
    call = evolve(call_of(REQUESTS["get_health"]), connection=evolve(CONNECTION, base_url=base_url))
    found: Any = call.result(answer(b"", 404), seconds=5.0, wall_clock=NOW)
    assert ("the base URL, which does not end with /v2" in found.message) is named
    assert "endpoint id 'ep'" in found.message


def test_proxy_is_named_in_each_error() -> None:
    for status in (200, 407, 502):
        response = HttpResponse(status, [], b"<html>", proxy="http://proxy:3128")
        assert "through the proxy http://proxy:3128)" in error("get_status", response).message
    assert "user and password" in error("get_status", HttpResponse(407, [], b"")).message


# A response to another request


@pytest.mark.parametrize("name", ["get_status", "get_status_sync", "cancel", "retry"])
@pytest.mark.parametrize("status", ["COMPLETED", "IN_PROGRESS"])
def test_response_about_another_job_is_refused(name: str, status: str) -> None:
    found = error(name, answer({"id": "job-2", "status": status, "output": 1}))
    assert type(found) is APIResponseValidationError
    assert "the job 'job-2', not 'job-1'" in found.message


# Secrets that the server sends back


SECRETS: Final = (KEY, "AKIACANARYACCESS", "canary-access-secret")


def storing_error(response: HttpResponse, *secrets: str) -> Any:
    request = REQUESTS["run"]
    credentials = tuple(map(Secret, secrets or SECRETS[1:]))
    return call_of(request._replace(http=evolve(request.http, credentials=credentials))).result(
        response, seconds=5.0, wall_clock=NOW
    )


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"error": "bad key @", "@": ["@"]}'),
        (401, b"<html>@</html>"),
        (500, b'{"error": "' + b"x" * 190 + b'@"}'),
        (200, b'{"id": "@"}'),
        (200, b"@"),
        (502, b"x" * (64 * 1024 - 5) + b"@"),
    ],
)
def test_no_error_shows_or_keeps_a_secret(secret: str, status: int, body: bytes) -> None:
    headers = {"X-Request-Id": secret, "x-echo": f"Bearer {secret}", secret: "x"}
    found = storing_error(answer(body.replace(b"@", secret.encode()), status, headers))
    assert isinstance(found, APIError)
    for shown in (str(found), repr(vars(found)), pickle.dumps(found).decode("latin-1")):
        assert secret[:8] not in shown
    assert "***" in repr(vars(found))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("others", [b"", rb', "\ud800"', rb', "\u0022", NaN'])
def test_no_error_shows_a_secret_in_escapes_of_json(secret: str, status: int, others: bytes) -> None:
    copy = "".join(f"\\u{ord(character):04x}" for character in secret).encode()
    bodies = b'{"error": "bad key %b", "%b": ["%b"%b]}' % (copy, copy, copy, others), b'"%b"' % copy
    for body in bodies:
        found = storing_error(answer(body, status))
        assert isinstance(found, APIError)
        assert secret not in str(found)
        assert secret not in repr(vars(found))
        assert "***" in repr(vars(found))


@pytest.mark.parametrize(
    ("secret", "body"),
    [
        ("canary+secret", rb'"bad key canary\u002bsecret"'),
        ("canary/secret\\", rb'{"error": "bad key canary\/secret\\"}'),
        ("123456789", rb'{"error": "\u00e9", "bad key": 1.23456789e8}'),  # JSON no more without it
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_a_secret_is_cut_wherever_json_has_escapes(secret: str, body: bytes, status: int) -> None:
    found = storing_error(answer(body, status), secret)
    assert "***" in repr(found.body)
    assert re.search("canary|1.?23456789", f"{found} {found.body}") is None


@pytest.mark.parametrize("body", [rb'{"a\/b": "\u00e9\n"}', rb"<p>\u0041 \/</p>", rb'{"a": "\ud800"}'])
def test_escapes_without_a_secret_are_kept(body: bytes) -> None:
    found = storing_error(answer(body, 200))
    assert repr(body.decode()) in str(found)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_connection_error_shows_a_secret(secret: str) -> None:
    failure: Any = TransportFailure(f"RemoteProtocolError: illegal status line {secret}", request_sent=True)
    assert secret not in str(storing_error(failure))


@pytest.mark.parametrize("text", ["\x1b[2J", "\r\nINFO forged", "\u202e", "\x9b31m", "\0"])
def test_control_characters_of_a_server_are_escaped(text: str) -> None:
    shown = [
        error("run", answer({"error": f"no {text}"}, 400)).message,
        error("run", answer(b"<" + text.encode(), 200)).message,
        error("run", answer({"id": 7, "status": text}, 200)).message,
        error("run", answer(b"", 500, {"x-request-id": f"r{text[:1] if text[0] < chr(255) else ''}"})).message,
        error("run", TransportFailure(text, request_sent=True)).message,
    ]
    assert all(message.isprintable() for message in shown)


def test_a_large_error_body_is_kept_in_part() -> None:
    found = error("get_status", answer({"error": "the reason", "more": "x" * 200_000}, 400))
    assert "the reason" in found.message
    assert isinstance(found.body, str)
    assert len(found.body) == 64 * 1024


# Words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "the reason"}, "the reason"),
        ({"message": "the reason"}, "the reason"),
        ({"detail": "the reason"}, "the reason"),
        ({"title": "the reason", "more": 1}, "the reason"),
        ({"error": "", "message": " the reason "}, "the reason"),
        ({"error": None, "title": "the reason"}, "the reason"),
        ({"error": {"message": "the reason"}}, "the reason"),
        ({"error": {"error": {"detail": "the reason"}}}, "the reason"),
        ({"error": {"code": 5}}, '{"error":{"code":5}}'),
        ({"error": {}, "message": "the reason"}, "the reason"),
        ({"error": 5}, '{"error":5}'),
        ({"detail": [{"msg": "the reason"}]}, '{"detail":[{"msg":"the reason"}]}'),
        (["the reason"], '["the reason"]'),
        ("the reason", "the reason"),
        (5, "5"),
        (None, "null"),
        ("", '""'),
        (b"no token provided", "no token provided"),
        (b" <html>\n", "<html>"),
        (b"", "no message"),
        (b" \n ", "no message"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_reason_is_found_wherever_it_stands(body: object, words: str) -> None:
    assert f"failed with 418: {words}." in error("get_status", answer(body, 418)).message


# Bodies that are not a response of the API


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "a body that is not JSON (empty)"),
        (b"<html>", "a body that is not JSON (Expecting value"),
        (b'{"id": "j', "a body that is not JSON ("),
        (b"\xff", "a body that is not JSON (not UTF-8"),
        (b"[" * 60_000, "a body that is not JSON (nested too deeply)"),
        ([], "the response must be an object, and is an array"),
        ({"id": "j"}, "the field 'status' is missing"),
        ({"id": 7, "status": "FAILED"}, "the job's id must be a string that is not empty, and is a number"),
    ],
)
def test_a_success_that_does_not_fit_says_what_came(body: object, reason: str) -> None:
    found = error("get_status", answer(body))
    assert type(found) is APIResponseValidationError
    assert f"got 200 with {reason}" in found.message
    assert ("The body begins: " in found.message) is (body != b"")
    assert ("Check the base URL" if isinstance(body, bytes) else "Upgrade runpod-typed") in found.message
    assert found.status_code == 200
    assert found.body == (body.decode(errors="replace") if isinstance(body, bytes) else body)


@pytest.mark.parametrize("status", [200, 404, 502])
@pytest.mark.parametrize(
    "body",
    [
        ("ж" * 5000).encode(),
        b'"' + ("ж" * 5000).encode() + b'"',
        b'{"error": "' + ("ж" * 5000).encode() + b'"}',
        b'{"error": {"odd": "' + ("ж" * 5000).encode() + b'"}}',
        b"[" + b",".join([b'"' + "ж".encode() + b'"'] * 5000) + b"]",
    ],
)
def test_message_quotes_200_characters_and_error_keeps_all(status: int, body: bytes) -> None:
    found = error("get_status", answer(body, status))
    assert 1 <= found.message.count("ж") <= 200
    assert repr(found.body).count("ж") == 5000


def test_200_characters_are_quoted_whole_whatever_their_size() -> None:
    assert ("\U0001f600" * 200) in error("get_status", answer(("\U0001f600" * 5000).encode())).message


def test_a_long_request_id_is_cut_in_the_message_alone() -> None:
    found = error("get_status", answer(b"", 500, {"x-request-id": "r" * 5000}))
    assert found.message.count("r" * 201) == 0
    assert found.request_id == "r" * 5000


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", [b'{"error": "\\ud83d"}', b'{"id": "\\ud83d", "status": "FAILED"}', b'"\\ud83d"'])
def test_a_message_can_always_be_printed(status: int, body: bytes) -> None:
    error("run", answer(body, status)).message.encode()


def undecodable(body: bytes, status: int, *, cap: int = 10_000) -> Any:
    taken = ResponseBody([(b"Content-Encoding", b"gzip")], cap)
    taken.add(body)
    return result("get_status", taken.response(status))


@pytest.mark.parametrize(("status", "raised"), [(200, APIResponseValidationError), (502, ServerError)])
def test_names_and_shows_a_body_that_contradicts_its_encoding(status: int, raised: type[Exception]) -> None:
    found = undecodable(b"<html>not gzip</html>", status)
    assert found.__class__.__name__ == raised.__name__
    assert "not gzip" in found.message
    assert found.body == "<html>not gzip</html>"
    cut = undecodable(gzip.compress(b"{}")[:-4], 200)
    assert "a body that cannot be read (content-encoding gzip" in cut.message


def test_json_that_is_not_compressed_as_it_says_is_read() -> None:
    assert undecodable(b'{"id": "job-1", "status": "FAILED"}', 200).id == "job-1"


@pytest.mark.parametrize(("status", "raised"), [(200, APIResponseValidationError), (502, ServerError)])
def test_a_body_above_the_cap_says_how_to_raise_it(status: int, raised: type[Exception]) -> None:
    found = undecodable(gzip.compress(bytes(20_000)), status)
    assert found.__class__.__name__ == raised.__name__
    assert "above the cap of 10000 bytes (raise max_response_bytes= of the client)" in found.message
    assert "does not fit the specification" not in found.message
    assert found.body is None


# A failed job under an error status


@pytest.mark.parametrize("status", [400, 404, 500, 502])
@pytest.mark.parametrize("name", ["run_sync", "get_status", "get_status_sync"])
def test_a_finished_job_is_a_result_with_any_status(name: str, status: int) -> None:
    found = result(name, answer({"id": "job-1", "status": "FAILED", "error": "Invalid image URL"}, status))
    assert (found.status, found.error) == ("FAILED", "Invalid image URL")


@pytest.mark.parametrize("name", ["run", "cancel", "retry", "stream", "purge_queue", "get_health"])
def test_other_operations_go_by_the_status(name: str) -> None:
    found = error(name, answer({"id": "job-1", "status": "FAILED", "error": "Invalid image URL"}, 400))
    assert type(found) is BadRequestError


@pytest.mark.parametrize(
    "body", [{"id": "job-1", "status": "IN_PROGRESS"}, {"status": "FAILED"}, {"status": "error"}, []]
)
def test_any_other_body_goes_by_the_status(body: object) -> None:
    assert type(error("get_status", answer(body, 404))) is NotFoundError


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"id": "job-1", "status": "COMPLETED", "output": {"n": 1}}, True),
        ({"id": "job-1", "status": "COMPLETED"}, False),
        ({"id": "job-1", "status": "IN_PROGRESS", "output": {"n": 1}}, False),
    ],
)
def test_output_of_completed_job_is_left_for_its_codec(body: Any, *, left: bool) -> None:
    found = result("get_status", answer(body))
    assert isinstance(output_of(found).data, JSONText) == left
    assert found.status == body["status"]
    assert (found.output or found.progress) == body.get("output")


@pytest.mark.parametrize("status", [200, 404, 429, 500])
def test_errors_of_responses_survive_pickles(status: int) -> None:
    found = error("run", answer({"error": [1, {"a": None}]}, status, {"x-request-id": "r", "retry-after": "5"}))
    copied = pickle.loads(pickle.dumps(found))
    assert type(copied) is type(found)
    assert (copied.args, vars(copied)) == (found.args, vars(found))
