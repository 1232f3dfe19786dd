# Answers that no well-behaved server gives.
"""Any response raises an error of this package or is a result, and a result that arrived is delivered."""

from __future__ import annotations

import gzip
import math
import zlib
from typing import Any, Final

import pytest

from runpod_typed import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    AsyncClient,
    AsyncJob,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    JobFailedError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    PollPolicy,
    RateLimitError,
    RunpodError,
    ServerError,
    SubmissionUncertainError,
    UnprocessableEntityError,
)
from tests._async.ways import WAYS, AsyncClientOver
from tests.scripted_server import Script, answer, scripted

pytestmark = pytest.mark.anyio

ID: Final = "X-Request-Id: req-77"
DONE: Final = b'{"id": "job-1", "status": "COMPLETED"}'
DEEP: Final = 100_000
LONG_PAGE: Final = f"<html>{'~' * 5000}</html>"


def chain(error: BaseException) -> list[BaseException]:
    """The error and all that stand behind it."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__]
    return found


def assert_is_ours(error: BaseException) -> None:
    assert all(isinstance(each, RunpodError) for each in chain(error)), chain(error)
    assert str(error).count("~") <= 200, "more than the beginning of the body is shown"
    assert len(str(error)) < 2000
    str(error).encode()  # it can be printed


async def health_error(way: str, script: Script) -> APIError:
    with scripted(script) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            with pytest.raises(APIError) as caught:
                await client.endpoint("ep").health()
    assert_is_ours(caught.value)
    return caught.value


async def submission_error(way: str, script: Script) -> RunpodError:
    with scripted(script) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            with pytest.raises(RunpodError) as caught:
                await client.endpoint("ep").run({"n": 1})
    assert_is_ours(caught.value)
    return caught.value


async def job_of(script: Script) -> AsyncJob[Any, Any]:
    """The handle of a job that was looked at once."""
    with scripted(script) as server:
        async with AsyncClientOver("straight", server.base_url) as client:
            job = client.endpoint("ep").job("job-1")
            await job.wait(timeout=30)
    return job


NO_JSON: dict[str, bytes] = {
    "html": LONG_PAGE.encode(),
    "empty": b"",
    "blank": b" \r\n ",
    "truncated": b'{"id": "job-1", "status": "IN_Q',
    "two values": DONE + DONE,
    "a word": b"OK",
    "brackets": b"[" * DEEP,
    "brackets, closed": b"[" * DEEP + b"]" * DEEP,
    "objects": b'{"a":' * DEEP,
    "brackets in the output": b'{"id": "job-1", "status": "COMPLETED", "output":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "invalid utf-8": b'{"id": "\xff\xfe", "status": "COMPLETED"}',
    "utf-16": '{"id": "job-1"}'.encode("utf-16"),
    "zeros": b"\x00" * 3000,
    "too many digits": b'{"id": "job-1", "status": "COMPLETED", "output": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=list(NO_JSON))
@pytest.mark.parametrize("status", [200, 299])
async def test_a_success_that_is_not_json_shows_its_beginning(status: int, body: bytes) -> None:
    for way in WAYS:
        error = await health_error(way, [answer(status, body, ID)])
        assert isinstance(error, APIResponseValidationError)
        assert (error.status_code, error.request_id) == (status, "req-77")
        assert "req-77" in str(error)
        assert isinstance(error.body, str)
        assert error.body[:1] not in "<{[O" or error.body[:3] in str(error)
        uncertain = await submission_error(way, [answer(status, body, ID)])
        assert isinstance(uncertain, SubmissionUncertainError)


WRONG_SHAPES: dict[str, tuple[str, str]] = {
    "an array": ("[]", "array"),
    "a number": ("7", "number"),
    "null": ("null", "null"),
    "a string": ('"COMPLETED"', "string"),
    "nothing in it": ("{}", "'id' is missing"),
    "nulls everywhere": ('{"id": null, "status": null, "output": null, "delayTime": null}', "'id' is missing"),
    "no status": ('{"id": "job-1"}', "'status' is missing"),
    "an empty status": ('{"id": "job-1", "status": ""}', "status"),
    "a number for the id": ('{"id": 7, "status": "COMPLETED"}', "id must be a string"),
    "a boolean for the id": ('{"id": true, "status": "COMPLETED"}', "id must be a string"),
    "a number for the status": ('{"id": "job-1", "status": 7}', "status must be a string"),
    "an array for the status": ('{"id": "job-1", "status": ["COMPLETED"]}', "status must be a string"),
    "a string for a time": ('{"id": "job-1", "status": "COMPLETED", "delayTime": "long"}', "delay time"),
    "NaN for a time": ('{"id": "job-1", "status": "COMPLETED", "executionTime": NaN}', "execution time"),
    "an endless time": ('{"id": "job-1", "status": "COMPLETED", "delayTime": 1e400}', "delay time"),
    "an object for a count": ('{"id": "job-1", "status": "COMPLETED", "retries": {}}', "retries"),
    "a number for the worker": ('{"id": "job-1", "status": "COMPLETED", "workerId": 7}', "worker"),
    "a lone surrogate in the id": ('{"id": "\\ud800", "status": "COMPLETED"}', "surrogate"),
    "a job in an array": ('[{"id": "job-1", "status": "COMPLETED"}]', "array"),
}


@pytest.mark.parametrize(("body", "words"), WRONG_SHAPES.values(), ids=list(WRONG_SHAPES))
async def test_json_of_the_wrong_shape_says_what_is_wrong_with_it(body: str, words: str) -> None:
    with scripted([answer(200, body, ID)]) as server:
        async with AsyncClientOver("straight", server.base_url) as client:
            endpoint = client.endpoint("ep")
            for call in (endpoint.job("job-1").status, endpoint.job("job-1").output, endpoint.job("job-1").cancel):
                with pytest.raises(APIResponseValidationError, match=words) as caught:
                    await call()
                assert_is_ours(caught.value)
                assert (caught.value.status_code, caught.value.request_id) == (200, "req-77")
            with pytest.raises(SubmissionUncertainError, match=words) as uncertain:
                await endpoint.run({"n": 1})
            assert_is_ours(uncertain.value)


WRONG_PAGES: dict[str, str] = {
    "a number for the chunks": '{"status": "IN_PROGRESS", "stream": 7}',
    "an object for the chunks": '{"status": "IN_PROGRESS", "stream": {"output": 1}}',
    "a number for a chunk": '{"status": "IN_PROGRESS", "stream": [7]}',
    "a null for a chunk": '{"status": "IN_PROGRESS", "stream": [null]}',
    "a number for the status": '{"status": 7, "stream": []}',
    "a string for the metrics": '{"status": "IN_PROGRESS", "stream": [{"output": 1, "metrics": "many"}]}',
    "a string": '"IN_PROGRESS"',
    "no json": LONG_PAGE,
}


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("body", WRONG_PAGES.values(), ids=list(WRONG_PAGES))
async def test_a_stream_of_the_wrong_shape_is_refused(body: str) -> None:
    with scripted([answer(200, body, ID)]) as server:
        async with AsyncClientOver("straight", server.base_url) as client:
            with pytest.raises(APIResponseValidationError) as caught:
                async for _ in client.endpoint("ep").job("job-1").stream(timeout=30):
                    pytest.fail("there was no chunk")
    assert_is_ours(caught.value)


WRONG_HEALTH: dict[str, str] = {
    "texts for counts": '{"jobs": {"inQueue": "many"}, "workers": {}}',
    "an array for the jobs": '{"jobs": [7], "workers": {}}',
    "a number for the workers": '{"jobs": {}, "workers": 7}',
    "a boolean for a count": '{"jobs": {"inQueue": true}, "workers": {}}',
}


@pytest.mark.parametrize("body", WRONG_HEALTH.values(), ids=list(WRONG_HEALTH))
async def test_health_of_the_wrong_shape_is_refused(body: str) -> None:
    assert isinstance(await health_error("straight", [answer(200, body)]), APIResponseValidationError)


async def test_nulls_where_a_field_may_be_absent_are_read_as_absent() -> None:
    nulls = '{"id": "job-1", "status": "COMPLETED", "output": null, "error": null, "delayTime": null, "workerId": null}'
    state = (await job_of([answer(200, nulls)])).state
    assert state is not None
    assert (state.output, state.error, state.delay_time_ms, state.worker_id) == (None, None, None, None)


async def test_keeps_an_unknown_status_and_continues_to_wait() -> None:
    unknown = answer(200, '{"id": "job-1", "status": "ON_THE_MOON"}')
    with scripted([unknown], [unknown], [answer(200, DONE)]) as server:
        async with AsyncClientOver("straight", server.base_url) as client:
            endpoint = client.endpoint("ep").with_options(poll=PollPolicy(min_interval=0.01, max_interval=0.01))
            job = endpoint.job("job-1")
            assert await job.status() == "ON_THE_MOON"
            assert job.state is not None
            assert not job.state.done
            assert (await job.wait(timeout=10)).succeeded


async def test_what_json_does_not_allow_and_workers_send_is_delivered() -> None:
    odd = '{"nan": NaN, "inf": Infinity, "big": 1e400, "odd": "\\ud800"}'
    job = await job_of([answer(200, f'{{"id": "job-1", "status": "COMPLETED", "output": {odd}}}')])
    output = await job.output()
    assert math.isnan(output["nan"])
    assert (output["inf"], output["big"], output["odd"]) == (math.inf, math.inf, "\ud800")


async def test_a_failed_jobs_error_may_be_nested_as_deep_as_it_likes() -> None:
    deep = '{"error":' * 900 + '"x"' + "}" * 900
    job = await job_of([answer(200, f'{{"id": "job-1", "status": "FAILED", "error": {deep}}}')])
    with pytest.raises(JobFailedError) as caught:
        await job.output()
    assert_is_ours(caught.value)


async def test_a_failed_jobs_words_can_be_printed() -> None:
    job = await job_of([answer(200, '{"id": "job-1", "status": "FAILED", "error": "\\ud800 boom"}')])
    with pytest.raises(JobFailedError, match="boom") as caught:
        await job.output()
    assert_is_ours(caught.value)


ERROR_CLASSES: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: APIStatusError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    418: APIStatusError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    451: APIStatusError,
    499: APIStatusError,
    500: ServerError,
    502: ServerError,
    520: ServerError,
    524: ServerError,
    530: ServerError,
    599: ServerError,
    999: ServerError,
}

ERROR_BODIES: dict[str, bytes] = {
    "html": LONG_PAGE.encode(),
    "empty": b"",
    "null": b"null",
    "a number": b"7",
    "an array": b'["a", {"b": null}]',
    "nulls": b'{"error": null, "message": null, "detail": null}',
    "an object in the message's place": b'{"error": {"message": {"detail": 7}}}',
    "a long message": f'{{"error": "{"~" * 5000}"}}'.encode(),
    "nested": b'{"error":' * 900 + b'"x"' + b"}" * 900,
    "brackets": b"[" * 900 + b"]" * 900,
    "too many brackets": b"[" * DEEP,
    "invalid utf-8": b"\xff\xfe\x00~",
    "a lone surrogate": b'{"error": "\\ud800"}',
    "half a job": b'{"id": "job-1", "status": 7}',
    "NaN": b"NaN",
}


@pytest.mark.parametrize(("status", "expected"), ERROR_CLASSES.items(), ids=[str(code) for code in ERROR_CLASSES])
async def test_each_status_is_an_error_of_its_class_whatever_the_body(
    status: int, expected: type[APIStatusError]
) -> None:
    for body in ERROR_BODIES.values():
        error = await health_error("straight", [answer(status, body, ID)])
        assert type(error) is expected
        assert (error.status_code, error.request_id) == (status, "req-77")
        assert str(status) in str(error)


@pytest.mark.parametrize("way", WAYS)
async def test_a_status_code_unknown_to_python_comes_over_every_way(way: str) -> None:
    for status in (299, 418, 520, 530, 999):
        error = await health_error(way, [answer(status, LONG_PAGE, ID)])
        assert isinstance(error, APIStatusError | APIResponseValidationError)
        assert (error.status_code, error.request_id) == (status, "req-77")
    with scripted([answer(299, DONE)]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            assert await client.endpoint("ep").job("job-1").status() == "COMPLETED"


async def test_a_long_request_id_is_shown_in_part() -> None:
    error = await health_error("straight", [answer(500, "no", f"X-Request-Id: {'~' * 5000}")])
    assert isinstance(error, APIStatusError)
    assert error.request_id == "~" * 5000


REDIRECTS: dict[str, tuple[str, ...]] = {
    "to another host": ("Location: http://elsewhere.example/v2/ep/health",),
    "to the same host": ("Location: /v2/elsewhere",),
    "to nowhere": (),
    "to nonsense": ("Location: http://[::1",),
}


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("headers", REDIRECTS.values(), ids=list(REDIRECTS))
async def test_a_redirect_is_an_error_and_not_followed(status: int, headers: tuple[str, ...]) -> None:
    for way in WAYS:
        with scripted([answer(status, b"", *headers)]) as server:
            async with AsyncClientOver(way, server.base_url) as client:
                with pytest.raises(APIError) as caught:
                    await client.endpoint("ep").health()
                assert_is_ours(caught.value)
            assert len(server.requests) == 1


BOMB: Final = gzip.compress(b" " * 20_000_000, 9)

TOO_LARGE: dict[str, Script] = {
    "a body": [answer(200, b" " * 3_000_000)],
    "endless chunks": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[b"4000\r\n" + b" " * 0x4000 + b"\r\n"] * 100,
        60.0,
    ],
    "a gzip bomb": [answer(200, BOMB, "Content-Encoding: gzip")],
    "a deflate bomb": [answer(200, zlib.compress(b" " * 20_000_000, 9), "Content-Encoding: deflate")],
}


@pytest.mark.parametrize("script", TOO_LARGE.values(), ids=list(TOO_LARGE))
@pytest.mark.parametrize("way", WAYS)
async def test_a_body_above_the_cap_is_not_taken_in(way: str, script: Script) -> None:
    error = await health_error(way, script)
    assert isinstance(error, APIResponseValidationError)
    assert "max_response_bytes" in str(error)


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_is_usable_after_a_body_above_the_cap(way: str) -> None:
    with scripted([answer(200, b" " * 3_000_000)], [answer(200, DONE)]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            with pytest.raises(APIResponseValidationError):
                await client.endpoint("ep").health()
            assert await client.endpoint("ep").job("job-1").status() == "COMPLETED"


async def test_a_caller_may_raise_the_cap() -> None:
    body = b'{"id": "job-1", "status": "COMPLETED", "output": "' + b"x" * 3_000_000 + b'"}'
    with scripted([answer(200, body)]) as server:
        async with AsyncClientOver("straight", server.base_url, max_response_bytes=4_000_000) as client:
            assert len(await client.endpoint("ep").job("job-1").output(timeout=10)) == 3_000_000


async def test_an_error_status_above_the_cap_keeps_its_status() -> None:
    for status in (404, 500):
        error = await health_error("straight", [answer(status, BOMB, "Content-Encoding: gzip", ID)])
        assert isinstance(error, APIStatusError)
        assert (error.status_code, error.request_id) == (status, "req-77")


@pytest.mark.parametrize("way", WAYS)
async def test_a_compressed_answer_is_read(way: str) -> None:
    for body, encoding in ((gzip.compress(DONE), "gzip"), (zlib.compress(DONE), "deflate"), (DONE, "identity")):
        with scripted([answer(200, body, f"Content-Encoding: {encoding}")]) as server:
            async with AsyncClientOver(way, server.base_url) as client:
                assert await client.endpoint("ep").job("job-1").status() == "COMPLETED"


BADLY_ENCODED: dict[str, tuple[bytes, str]] = {
    "no gzip": (b"nope", "gzip"),
    "half a gzip": (gzip.compress(DONE)[:-6], "gzip"),
    "a gzip and more": (gzip.compress(DONE) + b"more", "gzip"),
    "no deflate": (b"nope", "deflate"),
    "half a deflate": (zlib.compress(DONE)[:-6], "deflate"),
    "what was not asked for": (b"nope", "br"),
    "gzip twice": (gzip.compress(gzip.compress(DONE)), "gzip, gzip"),
    "a word": (b"nope", "~" * 3000),
}


@pytest.mark.parametrize(("body", "encoding"), BADLY_ENCODED.values(), ids=list(BADLY_ENCODED))
async def test_a_body_that_is_not_what_its_encoding_says_is_refused(body: bytes, encoding: str) -> None:
    for way in WAYS:
        error = await health_error(way, [answer(200, body, f"Content-Encoding: {encoding}", ID)])
        assert isinstance(error, APIResponseValidationError)
        assert error.request_id == "req-77"


BROKEN_HTTP: dict[str, bytes] = {
    "garbage": b"GARBAGE\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.0\r\n",
    "bytes": b"\x00\xff\xfe\r\n\r\n",
    "the second version": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a word for the status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nhello\r\n0\r\n\r\n",
    "a cut chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "a chunk of any size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFFFF\r\nhel",
    "a word for the length": b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"~" * 300_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X: ~\r\n" * 100_000,
    "a zero in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nfoo bar\r\nContent-Length: 2\r\n\r\n{}",
    "half a status line": b"HTTP/1.1 20",
    "half a header": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
}


@pytest.mark.parametrize("data", BROKEN_HTTP.values(), ids=list(BROKEN_HTTP))
async def test_a_response_that_is_not_http_is_a_lost_connection(data: bytes) -> None:
    for way in WAYS:
        error = await health_error(way, [data, b""])
        assert isinstance(error, APIConnectionError)
        assert error.request_sent
        assert isinstance(await submission_error(way, [data, b""]), SubmissionUncertainError)


@pytest.mark.parametrize("way", WAYS)
async def test_odd_but_allowed_http_is_read(way: str) -> None:
    odd = (
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, DONE),
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(200, DONE),
        b"HTTP/1.0 200 OK\r\n\r\n" + DONE,
        b"HTTP/1.1 200\r\nContent-Length: 38\r\n\r\n" + DONE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n26;extension=1\r\n"
        + DONE
        + b"\r\n0\r\nTrailer: x\r\n\r\n",
    )
    for data in odd:
        with scripted([data, b""]) as server:
            async with AsyncClientOver(way, server.base_url) as client:
                assert await client.endpoint("ep").job("job-1").status() == "COMPLETED"


# Successes without a fitting body


@pytest.mark.parametrize("response", [answer(204), answer(200), answer(200, " \n")])
async def test_an_empty_response_is_read_again_or_raised(response: bytes) -> None:
    cancelled = answer(200, '{"id": "job-1", "status": "CANCELLED"}')
    with scripted([response], [cancelled], [response], [cancelled], [response]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep")
            job = endpoint.job("job-1")
            assert await job.status(timeout=5) == "CANCELLED"
            assert (await job.cancel(timeout=5)).status == "CANCELLED"
            with pytest.raises(SubmissionUncertainError, match="empty"):
                await endpoint.run({"n": 1})
            with pytest.raises(APIResponseValidationError, match="empty"):
                await endpoint.purge_queue()
            assert len(server.requests) == 6


@pytest.mark.parametrize("body", ['"hello"', '{"id": 7, "filler": "' + 100_000 * "x" + '"}'])
async def test_json_of_another_shape_is_not_read_again(body: str) -> None:
    with scripted([answer(200, body)]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(APIResponseValidationError) as caught:
                await client.endpoint("ep").job("job-1").output(timeout=30)
            assert caught.value.is_json
            assert len(server.requests) == 1
