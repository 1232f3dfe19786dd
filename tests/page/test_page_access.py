"""The page accepts its own requests on this machine, and no others."""

from collections.abc import Iterator

import httpx
import pytest

from runpod_typed.local import LocalQueue


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(endpoint_id="demo", page=True) as queue:
        yield queue


@pytest.fixture
def http(queue: LocalQueue) -> Iterator[httpx.Client]:
    url, _, token = queue.page_url.partition("/?token=")
    with httpx.Client(base_url=url, headers={"X-Page-Token": token}) as http:
        yield http


def test_page_has_no_data_and_needs_no_token(http: httpx.Client) -> None:
    page = http.get("/", headers={"X-Page-Token": ""})
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
@pytest.mark.parametrize("path", ["/page/events", "/page/jobs/x"])
def test_data_need_the_token(http: httpx.Client, path: str, token: str) -> None:
    assert http.get(path, headers=[(b"X-Page-Token", token.encode())]).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Page-Token": ""},
    ],
)
def test_actions_of_other_pages_are_refused(http: httpx.Client, queue: LocalQueue, headers: dict[str, str]) -> None:
    assert http.post("/page/submit", json={"input": 1}, headers=headers).status_code == 403
    queue.assert_submitted(0)


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("unknown", {}, 400),
        ("submit", [], 400),
        ("submit", {}, 400),
        ("cancel", {"id": "x"}, 404),
        ("advance", {"seconds": -1}, 400),
        ("advance", {"seconds": "1"}, 400),
        ("inject", {"kind": "unknown"}, 400),
        ("inject", {"kind": "latency", "operation": "unknown"}, 400),
    ],
)
def test_bad_actions_are_refused(http: httpx.Client, action: str, body: object, status: int) -> None:
    response = http.post(f"/page/{action}", json=body)
    assert response.status_code == status
    assert response.json()["error"]


@pytest.mark.parametrize("path", ["/page/static/index.html", "/page/static/%2e%2e/routes.py", "/page/jobs/unknown"])
def test_unknown_paths_are_404(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_queue_without_page_has_none() -> None:
    with LocalQueue() as queue:
        assert httpx.get(queue.base_url.removesuffix("v2")).status_code == 404
        with pytest.raises(RuntimeError, match="page=True"):
            _ = queue.page_url
