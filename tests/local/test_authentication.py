"""Authentication: the endpoint is checked first, then the key."""

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller, Response


def call(queue: LocalQueue, authorization: str | None, path: str = "/health") -> Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return Caller(queue).call("GET", path, headers=headers)


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {}", "{}", " {} "])
def test_accepts_key_with_and_without_scheme(queue: LocalQueue, form: str) -> None:
    assert call(queue, form.format(queue.api_key)).status == 200


@pytest.mark.parametrize("authorization", ["Bearer nope", "nope", "Basic {}", "Bearer {}x", "Bearer \xe9"])
def test_wrong_key_gets_401(queue: LocalQueue, authorization: str) -> None:
    response = call(queue, authorization.format(queue.api_key))
    assert (response.status, response.json) == (401, {"error": "unauthorized"})


@pytest.mark.parametrize("authorization", [None, "", "Bearer "])
def test_missing_key_gets_401_as_plain_text(queue: LocalQueue, authorization: str | None) -> None:
    response = call(queue, authorization)
    assert (response.status, response.text) == (401, "no token provided")
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("authorization", [None, "Bearer nope"])
def test_unknown_endpoint_gets_404_with_any_key(queue: LocalQueue, authorization: str | None) -> None:
    connection = Caller(queue).connect()
    headers = {} if authorization is None else {"Authorization": authorization}
    connection.request("GET", "/v2/another/health", headers=headers)
    response = connection.getresponse()
    assert (response.status, response.read()) == (404, b'{"error":"endpoint not found"}')
    connection.close()


def test_worker_token_is_refused_on_client_operations(queue: LocalQueue) -> None:
    token = queue.worker_environment()["RUNPOD_AI_API_KEY"]
    assert token != queue.api_key
    assert call(queue, token).status == 401


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/job-take/w?gpu=x", "/job-stop/w?gpu=x", "/ping/w"])
def test_worker_without_token_gets_401(queue: LocalQueue, path: str) -> None:
    assert call(queue, "nope", path).status == 401


def test_worker_may_send_the_api_key(queue: LocalQueue) -> None:
    assert call(queue, queue.api_key, "/ping/w").status == 200


def test_random_keys_differ_and_stay_out_of_repr(queue: LocalQueue) -> None:
    other = LocalQueue()
    assert other.api_key != queue.api_key
    assert len(other.api_key) > 20
    assert queue.api_key not in repr(queue)
    assert queue.worker_environment()["RUNPOD_AI_API_KEY"] not in repr(queue)


def test_uses_given_key() -> None:
    with LocalQueue(api_key="secret") as queue:
        assert queue.api_key == "secret"
        assert call(queue, "Bearer secret").status == 200
